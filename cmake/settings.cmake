# Compiler settings that every target of this tree shares, as the interface target marketprism_settings.

add_library(marketprism_settings INTERFACE)
target_compile_options(marketprism_settings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion
                                                      -Wnon-virtual-dtor -Woverloaded-virtual -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 reports false positives of these inside libstdc++ and Asio once everything is inlined.
  target_compile_options(marketprism_settings INTERFACE -Wno-maybe-uninitialized -Wno-restrict -Wno-stringop-overflow
                                                        -Wno-array-bounds -Wno-dangling-pointer -Wno-mismatched-new-delete
                                                        -Wno-missing-field-initializers)
else()
  target_compile_options(marketprism_settings INTERFACE -Wno-missing-designated-field-initializers
                                                        -Wno-missing-field-initializers)
endif()
if(MARKETPRISM_ARCH)
  target_compile_options(marketprism_settings INTERFACE -march=${MARKETPRISM_ARCH})
endif()
if(MARKETPRISM_SANITIZE)
  target_compile_options(marketprism_settings INTERFACE -fsanitize=${MARKETPRISM_SANITIZE} -fno-omit-frame-pointer
                                                        -fno-sanitize-recover=all)
  target_link_options(marketprism_settings INTERFACE -fsanitize=${MARKETPRISM_SANITIZE})
endif()

find_program(MARKETPRISM_CCACHE ccache)
if(MARKETPRISM_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${MARKETPRISM_CCACHE})
endif()
