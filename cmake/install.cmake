# cmake --install and cpack. The program finds the MPI module and the configurations relative to its own folder.
include(GNUInstallDirs)
set(LINNET_MODULE_DIR lib/linnet CACHE STRING "where the MPI module is installed, below the prefix")
set(LINNET_ZSH_DIR ${CMAKE_INSTALL_DATADIR}/zsh/site-functions CACHE STRING "where zsh's completion is installed")

file(RELATIVE_PATH module_folder ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_PREFIX}/${LINNET_MODULE_DIR})
file(RELATIVE_PATH data_folder ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_DATADIR}/linnet)
set_property(SOURCE src/distributed/comm_open.c APPEND PROPERTY COMPILE_DEFINITIONS LINNET_MODULE_FOLDER="${module_folder}")
set_property(SOURCE src/config/arguments.c APPEND PROPERTY COMPILE_DEFINITIONS LINNET_DATA_FOLDER="${data_folder}")
set_property(SOURCE src/cli/man_page.c APPEND PROPERTY COMPILE_DEFINITIONS
  LINNET_DATA_NAME="${CMAKE_INSTALL_DATADIR}/linnet")

# what `linnet version` prints
target_compile_definitions(linnet_cli PRIVATE LINNET_VERSION="${PROJECT_VERSION}")
set(built LINNET_BUILD_TYPE="${CMAKE_BUILD_TYPE}" LINNET_COMPILER="${CMAKE_C_COMPILER_ID} ${CMAKE_C_COMPILER_VERSION}")
if(TARGET linnet_mpi)
  list(APPEND built LINNET_MPI_VERSION="Open MPI ${MPI_VERSION}")
endif()
if(cuda_kernels)
  execute_process(COMMAND ${CUDA_NVCC} --version OUTPUT_VARIABLE cuda_version)
  string(REGEX REPLACE ".*release ([0-9.]+).*" "\\1" cuda_version "${cuda_version}")
  list(APPEND built LINNET_CUDA_VERSION="${cuda_version}")
endif()
set_property(SOURCE src/cli/commands/cmd_version.c APPEND PROPERTY COMPILE_DEFINITIONS ${built})
add_custom_target(linnet_revision BYPRODUCTS ${CMAKE_BINARY_DIR}/revision.c
  COMMAND ${CMAKE_COMMAND} -DSOURCE=${CMAKE_SOURCE_DIR} -DOUTPUT=${CMAKE_BINARY_DIR}/revision.c
    -P ${CMAKE_SOURCE_DIR}/cmake/revision.cmake VERBATIM)
target_sources(linnet_cli PRIVATE ${CMAKE_BINARY_DIR}/revision.c)
add_dependencies(linnet_cli linnet_revision)

# the build folder has the layout of a prefix: share/linnet/configs, man pages, completions
set(share ${CMAKE_BINARY_DIR}/share)
add_custom_command(TARGET linnet POST_BUILD
  COMMAND ${CMAKE_COMMAND} -E env ASAN_OPTIONS=detect_leaks=0 $<TARGET_FILE:linnet> help --write ${share}
  COMMAND ${CMAKE_COMMAND} -E make_directory ${share}/linnet
  COMMAND ${CMAKE_COMMAND} -E create_symlink ${CMAKE_SOURCE_DIR}/configs ${share}/linnet/configs
  VERBATIM)

install(TARGETS linnet RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
if(TARGET linnet_mpi)
  install(TARGETS linnet_mpi LIBRARY DESTINATION ${LINNET_MODULE_DIR})
endif()

# liblinnet; linnet.pc finds the prefix relative to its own folder. COMPONENT library: the file of the Python package
file(RELATIVE_PATH pc_prefix ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(cmake/linnet.pc.in ${CMAKE_BINARY_DIR}/linnet.pc @ONLY)
install(TARGETS linnet_shared LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library NAMELINK_COMPONENT Unspecified)
install(FILES ${CMAKE_BINARY_DIR}/linnet.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(DIRECTORY include/linnet DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY examples DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY configs DESTINATION ${CMAKE_INSTALL_DATADIR}/linnet)
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY deploy DESTINATION ${CMAKE_INSTALL_DOCDIR} PATTERN systemd EXCLUDE)
install(FILES deploy/systemd/linnet@.service DESTINATION lib/systemd/system) # started only as linnet@NAME
install(FILES README.md NEWS.md SECURITY.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY ${share}/man/ DESTINATION ${CMAKE_INSTALL_MANDIR})
install(DIRECTORY ${share}/bash-completion ${share}/fish DESTINATION ${CMAKE_INSTALL_DATADIR})
install(DIRECTORY ${share}/zsh/site-functions/ DESTINATION ${LINNET_ZSH_DIR})

set(CPACK_GENERATOR DEB TGZ)
set(CPACK_PACKAGE_VENDOR "linnet developers")
set(CPACK_PACKAGE_CONTACT "linnet developers <linnet@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "trains ResNet image classifiers without Python")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"linnet trains ResNets on ImageNet or on any folder of images, on CPUs, and on
NVIDIA GPUs if it was built with CUDA. Its checkpoints and logs open in
PyTorch, Lightning and TensorBoard. It also evaluates and exports models, and
prepares and checks datasets.
.
Several processes or machines train one model if Open MPI is installed.")
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_PROJECT_CONFIG_FILE ${CMAKE_SOURCE_DIR}/cmake/package.cmake)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_SOURCE_DIR}/cmake/debian.cmake)
# what a package with a shared library tells the others and dpkg
set(debian ${CMAKE_BINARY_DIR}/debian)
file(WRITE ${debian}/shlibs "liblinnet ${LINNET_ABI} linnet (>= ${PROJECT_VERSION})\n")
file(WRITE ${debian}/triggers "activate-noawait ldconfig\n")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${debian}/shlibs ${debian}/triggers)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_LINNET_BUILD ${CMAKE_BINARY_DIR})
set(CPACK_LINNET_ABI ${LINNET_ABI})
include(CPack)
