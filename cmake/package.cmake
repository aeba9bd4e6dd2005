# cpack reads this once per generator. The dependencies of the .deb: the libraries of the program and of liblinnet, and as a
# recommendation those of the MPI module, which is optional.
if(CPACK_GENERATOR STREQUAL DEB)
  find_program(shlibdeps dpkg-shlibdeps)
  if(NOT shlibdeps)
    message(FATAL_ERROR "dpkg-shlibdeps is missing: apt install dpkg-dev")
  endif()
  set(work ${CPACK_LINNET_BUILD}/shlibdeps) # dpkg-shlibdeps requires a debian/control
  file(WRITE ${work}/debian/control "Source: linnet\n\nPackage: linnet\nArchitecture: any\n")
  set(files -dDepends ${CPACK_LINNET_BUILD}/linnet ${CPACK_LINNET_BUILD}/liblinnet.so.${CPACK_LINNET_ABI})
  if(EXISTS ${CPACK_LINNET_BUILD}/liblinnet_mpi.so)
    list(APPEND files -dRecommends ${CPACK_LINNET_BUILD}/liblinnet_mpi.so)
  endif()
  execute_process(COMMAND ${shlibdeps} -O ${files} WORKING_DIRECTORY ${work} OUTPUT_VARIABLE found
    ERROR_VARIABLE why RESULT_VARIABLE failed)
  if(failed OR NOT found MATCHES "shlibs:Depends=([^\n]+)")
    message(FATAL_ERROR "dpkg-shlibdeps failed: ${why}")
  endif()
  set(CPACK_DEBIAN_PACKAGE_DEPENDS "${CMAKE_MATCH_1}")
  if(found MATCHES "shlibs:Recommends=([^\n]+)")
    set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "${CMAKE_MATCH_1}, openmpi-bin")
  endif()
endif()
