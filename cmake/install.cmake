# Installs the library layers (not the platform) as the CMake package `marketprism`.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(MARKETPRISM_LIBRARY_LAYERS base memory wire pool async net)
foreach(layer IN LISTS MARKETPRISM_LIBRARY_LAYERS)
  list(APPEND targets marketprism_${layer})
  install(DIRECTORY ${CMAKE_SOURCE_DIR}/marketprism/${layer} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/marketprism
          FILES_MATCHING PATTERN "*.hpp")
endforeach()
install(TARGETS ${targets} EXPORT marketprism-targets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT marketprism-targets NAMESPACE marketprism:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/marketprism)
configure_package_config_file(${CMAKE_SOURCE_DIR}/cmake/marketprism-config.cmake.in
  ${CMAKE_BINARY_DIR}/marketprism-config.cmake INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/marketprism)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/marketprism-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/marketprism-config.cmake ${CMAKE_BINARY_DIR}/marketprism-config-version.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/marketprism)
if(MARKETPRISM_BUILD_PLATFORM)
  install(TARGETS marketprism RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
