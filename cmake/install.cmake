# Installs the library layers (not the platform) as the CMake package `marketprism`, component `library`; the program, if it
# is built, as component `program`.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(MARKETPRISM_LIBRARY_LAYERS base memory wire pool async net)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/marketprism)
set(layer_targets ${MARKETPRISM_LIBRARY_LAYERS})
list(TRANSFORM layer_targets PREPEND marketprism_)
foreach(layer IN LISTS MARKETPRISM_LIBRARY_LAYERS)
  install(DIRECTORY ${CMAKE_SOURCE_DIR}/marketprism/${layer} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/marketprism
          COMPONENT library FILES_MATCHING PATTERN "*.hpp")
endforeach()
install(TARGETS ${layer_targets} EXPORT marketprism-targets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library)
# Linked by name only: it replaces the program's operator new, which the heap profiler and the allocation counter need.
set_target_properties(marketprism_allocation_hooks PROPERTIES EXPORT_NAME allocation_hooks)
install(TARGETS marketprism_allocation_hooks EXPORT marketprism-targets
        OBJECTS DESTINATION ${CMAKE_INSTALL_LIBDIR}/marketprism COMPONENT library)
install(EXPORT marketprism-targets NAMESPACE marketprism:: DESTINATION ${package_dir} COMPONENT library)
configure_package_config_file(${CMAKE_SOURCE_DIR}/cmake/marketprism-config.cmake.in
  ${CMAKE_BINARY_DIR}/marketprism-config.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/marketprism-config-version.cmake COMPATIBILITY SameMinorVersion)
if(IpsecMb_FOUND)
  install(FILES ${CMAKE_SOURCE_DIR}/cmake/FindIpsecMb.cmake DESTINATION ${package_dir} COMPONENT library)
endif()
install(FILES ${CMAKE_BINARY_DIR}/marketprism-config.cmake ${CMAKE_BINARY_DIR}/marketprism-config-version.cmake
        DESTINATION ${package_dir} COMPONENT library)

if(TARGET marketprism)
  # The program finds the DuckDB library that is installed with it.
  set_target_properties(marketprism PROPERTIES INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
  install(TARGETS marketprism RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
  install(IMPORTED_RUNTIME_ARTIFACTS DuckDB::DuckDB LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT program)
endif()
