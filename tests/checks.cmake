# Checks of the source tree itself, as tests like any other.
add_test(NAME Layers.Hold COMMAND ${PROJECT_SOURCE_DIR}/tools/check_layers)
add_test(NAME Layers.BreachesAreNamed
         COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/layers/breaches_are_named ${PROJECT_SOURCE_DIR}/tools/check_layers)
set_tests_properties(Layers.Hold Layers.BreachesAreNamed PROPERTIES LABELS checks)

find_program(TRANSFORMERS_CLANG_FORMAT clang-format-14)
if(TRANSFORMERS_CLANG_FORMAT)
  add_test(NAME Format.IsClangFormats COMMAND ${PROJECT_SOURCE_DIR}/script/format --check)
  set_tests_properties(Format.IsClangFormats PROPERTIES LABELS checks)
endif()

# Each header compiles alone, and twice in one file: a source file per header, built by the test and not by default.
function(transformers_headers_alone name)
  cmake_parse_arguments(ARG "" "" "LAYERS;LINK" ${ARGN})
  set(sources)
  foreach(layer IN LISTS ARG_LAYERS)
    file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}
         ${PROJECT_SOURCE_DIR}/transformers/${layer}/*.h)
    # Those are written for one instruction set, in the middle of a file.
    list(FILTER headers EXCLUDE REGEX "^transformers/kernels/cpu/")
    foreach(header IN LISTS headers)
      set(source ${CMAKE_CURRENT_BINARY_DIR}/headers/${header}.cpp)
      file(CONFIGURE OUTPUT ${source} CONTENT "#include \"${header}\"\n#include \"${header}\"\n")
      list(APPEND sources ${source})
    endforeach()
  endforeach()
  if(sources)
    add_library(${name} OBJECT EXCLUDE_FROM_ALL ${sources})
    target_link_libraries(${name} PRIVATE ${ARG_LINK} transformers_flags)
    target_compile_options(${name} PRIVATE -O0 -g0 -Werror)
    add_dependencies(headers_alone ${name})
  endif()
endfunction()

add_custom_target(headers_alone)
transformers_headers_alone(files_headers_alone LAYERS base dtypes hub config checkpoint tokenizers mapping
                           LINK transformers_tokenizers)
if(TARGET transformers_transformers)
  transformers_headers_alone(torch_headers_alone
                             LAYERS kernels nn placement modeling models generation pretrained
                             LINK transformers_transformers)
endif()
add_test(NAME Headers.CompileAlone COMMAND ${CMAKE_COMMAND} --build ${PROJECT_BINARY_DIR} --target headers_alone)
set_tests_properties(Headers.CompileAlone PROPERTIES LABELS "checks;slow" PROCESSORS 2 TIMEOUT 1500)
