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

# Each header compiles alone, and twice in one file: a source file per header, built by the test and not by default. What
# a header gets from libtorch by itself is precompiled for it, and nothing else is.
set(torch_headers ATen/core/Tensor.h torch/nn/module.h)  # each brings those before it

# The index of the last of these that a header brings, -1 for none.
function(transformers_torch_header header out)
  get_property(known GLOBAL PROPERTY torch_header_of_${header})
  if("${known}" STREQUAL "")
    set(known -1)
    set_property(GLOBAL PROPERTY torch_header_of_${header} -1)  # headers that include each other end here
    file(STRINGS ${PROJECT_SOURCE_DIR}/${header} includes REGEX "^#include ")
    foreach(include IN LISTS includes)
      if(include MATCHES "\"(transformers/.+)\"")
        transformers_torch_header(${CMAKE_MATCH_1} found)
      elseif(include MATCHES "<torch/nn/")
        set(found 1)
      elseif(include MATCHES "<ATen/core/Tensor\\.h>")
        set(found 0)
      else()
        set(found -1)
      endif()
      if(found GREATER known)
        set(known ${found})
      endif()
    endforeach()
    set_property(GLOBAL PROPERTY torch_header_of_${header} ${known})
  endif()
  set(${out} ${known} PARENT_SCOPE)
endfunction()

function(transformers_headers_alone name)
  cmake_parse_arguments(ARG "" "" "LAYERS;LINK" ${ARGN})
  set(kinds)
  foreach(layer IN LISTS ARG_LAYERS)
    file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}
         ${PROJECT_SOURCE_DIR}/transformers/${layer}/*.h)
    # Those are written for one instruction set, in the middle of a file.
    list(FILTER headers EXCLUDE REGEX "^transformers/kernels/cpu/")
    foreach(header IN LISTS headers)
      set(source ${CMAKE_CURRENT_BINARY_DIR}/headers/${header}.cpp)
      file(CONFIGURE OUTPUT ${source} CONTENT "#include \"${header}\"\n#include \"${header}\"\n")
      transformers_torch_header(${header} kind)
      list(APPEND kinds ${kind})
      list(APPEND sources_${kind} ${source})
    endforeach()
  endforeach()
  list(REMOVE_DUPLICATES kinds)
  foreach(kind IN LISTS kinds)
    set(target ${name}_${kind})
    add_library(${target} OBJECT EXCLUDE_FROM_ALL ${sources_${kind}})
    target_link_libraries(${target} PRIVATE ${ARG_LINK} transformers_flags)
    target_compile_options(${target} PRIVATE -O0 -g0 -Werror)
    if(TRANSFORMERS_PCH AND NOT kind EQUAL -1)
      list(GET torch_headers ${kind} torch_header)
      target_precompile_headers(${target} PRIVATE <${torch_header}>)
    endif()
    add_dependencies(headers_alone ${target})
  endforeach()
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
