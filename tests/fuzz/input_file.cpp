#include "input_file.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace transformers::fuzz {

InputFile::InputFile(const uint8_t* data, size_t size) : descriptor_(::memfd_create("input", MFD_CLOEXEC)) {
  for (size_t done = 0; done < size;) {
    const auto written = ::write(descriptor_, data + done, size - done);
    if (written <= 0) std::abort();  // no fault of the code under test, but nothing is tested
    done += static_cast<size_t>(written);
  }
}

InputFile::~InputFile() { ::close(descriptor_); }

std::filesystem::path InputFile::path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

}  // namespace transformers::fuzz
