# The engine. script/bootstrap unpacks PyTorch's wheel into third_party/libtorch; another libtorch (with CUDA, say) is
# used instead when CMAKE_PREFIX_PATH or Torch_DIR names it.
set(TRANSFORMERS_LIBTORCH_VERSION 2.13)

# Its configuration warns of a profiler that the wheel does not have.
set(transformers_log_level "${CMAKE_MESSAGE_LOG_LEVEL}")
set(CMAKE_MESSAGE_LOG_LEVEL ERROR)
find_package(Torch CONFIG QUIET)
if(NOT Torch_FOUND)
  find_package(Torch CONFIG QUIET PATHS ${PROJECT_SOURCE_DIR}/third_party/libtorch NO_DEFAULT_PATH)
endif()
if(transformers_log_level)
  set(CMAKE_MESSAGE_LOG_LEVEL "${transformers_log_level}")
else()
  unset(CMAKE_MESSAGE_LOG_LEVEL)
endif()
if(NOT Torch_FOUND)
  message(FATAL_ERROR "libtorch ${TRANSFORMERS_LIBTORCH_VERSION} was not found: run script/bootstrap, or name yours with "
                      "-DCMAKE_PREFIX_PATH=/path/to/libtorch (-DTRANSFORMERS_TORCH=OFF builds the layers that need none)")
endif()

file(STRINGS ${TORCH_INSTALL_PREFIX}/include/torch/headeronly/version.h torch_version_lines
     REGEX "#define TORCH_VERSION_(MAJOR|MINOR) ")
string(REGEX REPLACE ".*MAJOR ([0-9]+).*MINOR ([0-9]+).*" "\\1.\\2" torch_version "${torch_version_lines}")
if(NOT torch_version STREQUAL TRANSFORMERS_LIBTORCH_VERSION)
  message(FATAL_ERROR "libtorch in ${TORCH_INSTALL_PREFIX} is version ${torch_version}; "
                      "${TRANSFORMERS_LIBTORCH_VERSION} is needed, its C++ interface is not stable across versions")
endif()
message(STATUS "libtorch ${torch_version} in ${TORCH_INSTALL_PREFIX}")

# As system headers, or their warnings drown ours.
set_property(TARGET torch APPEND PROPERTY INTERFACE_SYSTEM_INCLUDE_DIRECTORIES ${TORCH_INCLUDE_DIRS})

# Our kernels run on the OpenMP pool that libtorch brought along: two pools would fight for the same cores.
find_library(TRANSFORMERS_GOMP NAMES gomp libgomp.so.1 PATHS ${TORCH_INSTALL_PREFIX}/lib NO_DEFAULT_PATH)
