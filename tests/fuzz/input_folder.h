#pragma once

#include <filesystem>
#include <string_view>

namespace transformers::fuzz {

/// A folder in memory for readers that look at several files, removed with everything in it; for the life of the
/// process.
class InputFolder {
 public:
  InputFolder();
  ~InputFolder();
  InputFolder(const InputFolder&) = delete;
  InputFolder& operator=(const InputFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// Writes the file `name`, in place of an old one.
  std::filesystem::path write(std::string_view name, std::string_view content) const;
  void remove(std::string_view name) const;

 private:
  std::filesystem::path path_;
};

}  // namespace transformers::fuzz
