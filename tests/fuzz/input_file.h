#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>

namespace transformers::fuzz {

/// The input as a file without a name, for readers that take a path. Lives in memory while the object does.
class InputFile {
 public:
  InputFile(const uint8_t* data, size_t size);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  [[nodiscard]] std::filesystem::path path() const;

 private:
  int descriptor_ = -1;
};

}  // namespace transformers::fuzz
