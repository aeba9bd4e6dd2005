# The CPU engine needs oneDNN; its kernels are compiled once for each instruction set and chosen at run time.
if(LINNET_OPENMP AND OpenMP_C_FOUND)
  target_link_libraries(linnet_engine PUBLIC OpenMP::OpenMP_C)
endif()
if(LINNET_ONEDNN AND ONEDNN_INCLUDE AND ONEDNN_LIBRARY)
  target_include_directories(linnet_engine SYSTEM PRIVATE ${ONEDNN_INCLUDE})
  target_link_libraries(linnet_engine PRIVATE ${ONEDNN_LIBRARY})
  target_compile_definitions(linnet_engine PRIVATE LINNET_ONEDNN=1)
endif()
