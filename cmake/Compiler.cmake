# Flags that every target of the project shares.
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

find_program(TRANSFORMERS_CCACHE ccache)
if(TRANSFORMERS_CCACHE AND PROJECT_IS_TOP_LEVEL)
  # Precompiled headers need both: ccache would otherwise refuse, or miss whenever a header's time changes.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      ${TRANSFORMERS_CCACHE})
endif()

find_program(TRANSFORMERS_MOLD mold)

add_library(transformers_flags INTERFACE)
target_compile_features(transformers_flags INTERFACE cxx_std_20)
target_compile_options(transformers_flags INTERFACE -Wall -Wextra -Wshadow)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # -fpch-preprocess: what ccache needs to cache files that use a precompiled header.
  target_compile_options(transformers_flags INTERFACE -fpch-preprocess)
  if(CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # GCC bug 105651: a false alarm in every `"text" + string`.
    target_compile_options(transformers_flags INTERFACE -Wno-restrict)
  endif()
endif()
if(TRANSFORMERS_MOLD)
  target_link_options(transformers_flags INTERFACE -fuse-ld=mold)
endif()
if(TRANSFORMERS_SANITIZE)
  target_compile_options(transformers_flags INTERFACE -fsanitize=${TRANSFORMERS_SANITIZE} -fno-sanitize-recover=undefined
                                                      -fno-omit-frame-pointer)
  target_link_options(transformers_flags INTERFACE -fsanitize=${TRANSFORMERS_SANITIZE})
endif()

if(TRANSFORMERS_BUILD_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "TRANSFORMERS_BUILD_FUZZ needs clang, for libFuzzer; this compiler is ${CMAKE_CXX_COMPILER_ID}: "
                        "use script/fuzz, or -DCMAKE_CXX_COMPILER=clang++-14")
  endif()
  # The libraries too: a fuzzer that does not see which branches an input took is blind.
  target_compile_options(transformers_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# The hot loops are in kernels/, which asks for more by itself.
if(PROJECT_IS_TOP_LEVEL)
  set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
endif()
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_EXTENSIONS OFF)
