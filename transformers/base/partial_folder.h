#pragma once

#include <filesystem>
#include <memory>

namespace transformers {

namespace detail {
class LockedFolder;
}

/// A folder that takes another's place when it is complete, so that the place is empty until then. It lies beside its
/// place and is locked: what a killed process left there is taken over and emptied, what a living one writes to is not.
class PartialFolder {
 public:
  /// Throws OSError naming the folder that cannot be made, or that another process is about to make.
  explicit PartialFolder(const std::filesystem::path& target);
  /// Without `commit`, everything in it goes away.
  ~PartialFolder();
  PartialFolder(const PartialFolder&) = delete;
  PartialFolder& operator=(const PartialFolder&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// Throws OSError, when something is in its place meanwhile too.
  void commit();

 private:
  std::filesystem::path target_;
  std::filesystem::path outer_;  // locked; who writes into the folder inside may lock that one
  std::filesystem::path path_;
  std::unique_ptr<detail::LockedFolder> lock_;
};

}  // namespace transformers
