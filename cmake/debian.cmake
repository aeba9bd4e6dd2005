# cpack runs this on the installed files. A .deb has compressed man pages, a changelog, and the licence as "copyright".
if(CPACK_GENERATOR STREQUAL DEB)
  set(usr ${CPACK_TEMPORARY_INSTALL_DIRECTORY}/usr)
  set(doc ${usr}/share/doc/linnet)
  string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC) # of SOURCE_DATE_EPOCH if it is set
  file(WRITE ${doc}/changelog.Debian
    "linnet (${CPACK_PACKAGE_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE}) unstable; urgency=medium\n\n"
    "  * Release ${CPACK_PACKAGE_VERSION}; see /usr/share/doc/linnet/NEWS.md.gz.\n\n"
    " -- ${CPACK_PACKAGE_CONTACT}  ${date}\n")
  file(RENAME ${doc}/LICENSE ${doc}/copyright)
  file(GLOB pages ${usr}/share/man/man1/*.1)
  execute_process(COMMAND gzip -9n ${pages} ${doc}/changelog.Debian ${doc}/NEWS.md COMMAND_ERROR_IS_FATAL ANY)
endif()
