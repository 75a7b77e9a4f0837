# Installs the library out of a build folder, builds the consumer against nothing but that install, runs it.
#   cmake -DBUILD=… -DSOURCE=… -DFOLDER=… -DCOMPILER=… -DFLAGS=… -P run.cmake
function(run)
  execute_process(COMMAND ${ARGV} RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    list(JOIN ARGV " " command)
    message(FATAL_ERROR "failed (${result}): ${command}")
  endif()
endfunction()

file(REMOVE_RECURSE ${FOLDER})
run(${CMAKE_COMMAND} --install ${BUILD} --component library --prefix ${FOLDER}/prefix)
run(${CMAKE_COMMAND} -S ${SOURCE} -B ${FOLDER}/build -G Ninja -DCMAKE_PREFIX_PATH=${FOLDER}/prefix
    -DCMAKE_CXX_COMPILER=${COMPILER} -DCMAKE_CXX_FLAGS=${FLAGS})
run(${CMAKE_COMMAND} --build ${FOLDER}/build -j 2)
file(GLOB programs ${FOLDER}/build/consumer_*)
foreach(program IN LISTS programs)
  run(${program})
endforeach()
