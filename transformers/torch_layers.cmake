# The layers above the libtorch line: one library. The kernels are compiled apart: they use no precompiled header, and a
# file of cpu/ is compiled by Highway once per instruction set.
file(GLOB kernel_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/kernels/*.cpp)
file(GLOB kernel_cpu_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/kernels/cpu/*.cpp)
pkg_check_modules(HIGHWAY REQUIRED IMPORTED_TARGET libhwy)
if(kernel_sources)
  add_library(transformers_kernels OBJECT ${kernel_sources} ${kernel_cpu_sources})
  target_include_directories(transformers_kernels PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(transformers_kernels PUBLIC torch transformers_files PRIVATE transformers_flags PkgConfig::HIGHWAY)
  target_compile_options(transformers_kernels PRIVATE -fopenmp)
  target_compile_definitions(transformers_kernels PRIVATE AT_PER_OPERATOR_HEADERS)
  set_source_files_properties(${kernel_cpu_sources} PROPERTIES COMPILE_OPTIONS "-O3;-fno-math-errno")
endif()

file(GLOB_RECURSE torch_sources CONFIGURE_DEPENDS
     ${CMAKE_CURRENT_SOURCE_DIR}/nn/*.cpp ${CMAKE_CURRENT_SOURCE_DIR}/placement/*.cpp
     ${CMAKE_CURRENT_SOURCE_DIR}/modeling/*.cpp ${CMAKE_CURRENT_SOURCE_DIR}/models/*.cpp
     ${CMAKE_CURRENT_SOURCE_DIR}/generation/*.cpp ${CMAKE_CURRENT_SOURCE_DIR}/pretrained/*.cpp)
if(torch_sources)
  transformers_library(transformers LINK transformers_tokenizers torch)
  target_sources(transformers_transformers PRIVATE ${torch_sources} $<TARGET_OBJECTS:transformers_kernels>)
  set_target_properties(transformers_transformers PROPERTIES OUTPUT_NAME transformers DEFINE_SYMBOL "")  # a definition of its own would spoil the precompiled header for tests
  target_link_libraries(transformers_transformers PRIVATE ${TRANSFORMERS_GOMP} ${HIGHWAY_LINK_LIBRARIES} PkgConfig::ONIGURUMA)
  if(TRANSFORMERS_UNITY)
    # Most of a file's compile time is its headers: eight of one layer together cost little more than one.
    foreach(layer nn placement modeling models generation pretrained)
      set(members ${torch_sources})
      list(FILTER members INCLUDE REGEX "^${CMAKE_CURRENT_SOURCE_DIR}/${layer}/")
      list(FILTER members EXCLUDE REGEX "/models/registry.cpp$")
      set(count 0)
      foreach(source IN LISTS members)
        math(EXPR group "${count} / 8")
        set_source_files_properties(${source} PROPERTIES UNITY_GROUP "${layer}${group}")
        math(EXPR count "${count} + 1")
      endforeach()
    endforeach()
    set_target_properties(transformers_transformers PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
    # In a unity file no architecture is the main file, and what is local to it looks to the compiler like a header's.
    target_compile_options(transformers_transformers PRIVATE -Wno-subobject-linkage)
  endif()
  if(TRANSFORMERS_PCH)
    target_precompile_headers(transformers_transformers PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/nn/module.h)
  endif()
endif()
