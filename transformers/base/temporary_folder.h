#pragma once

#include <filesystem>
#include <string_view>

namespace transformers {

/// A folder of its own below the system's temporary one, removed with everything in it in the end, also after an
/// exception. Throws OSError naming it when it cannot be made.
class TemporaryFolder {
 public:
  /// `purpose` is part of its name: transformers-<purpose>-….
  explicit TemporaryFolder(std::string_view purpose);
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace transformers
