#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace transformers {

/// Files of one folder that change together. They are written into a private folder inside it and take their places
/// when `commit` is called; a process that dies before leaves the old files, one that dies after leaves a finished list
/// of renames that the next reader or writer carries out (`finish_transactions`). So nobody finds a mixture.
///
/// One rename decides: of the private folder, when all in it is on the disk, to `kCommittedFolder`.
class FileTransaction {
 public:
  /// Creates `folder` when it is absent, finishes what an earlier process committed and removes what one left undone.
  /// Throws OSError.
  explicit FileTransaction(std::filesystem::path folder);
  /// Without `commit`, all that was staged goes away.
  ~FileTransaction();
  FileTransaction(const FileTransaction&) = delete;
  FileTransaction& operator=(const FileTransaction&) = delete;

  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
  /// Where what is staged lies, for those who write several files under names of their own.
  [[nodiscard]] const std::filesystem::path& staging_folder() const { return private_; }
  /// Where to write the file that shall be called `name` in the folder: a plain file name that nothing else has, or one
  /// in a folder, which is made when it is absent (`1_Pooling/config.json`). Throws OSError, ValueError for the name.
  [[nodiscard]] std::filesystem::path stage(std::string_view name);
  /// The folder's file `name` goes away with the commit, unless it is staged.
  void remove(std::string_view name);
  /// Everything at once. Throws OSError: the old files are then all there, or, where the last renames failed, whoever
  /// opens the folder next finishes them.
  void commit();

 private:
  std::filesystem::path folder_, private_;
  std::vector<std::string> removed_;
  int lock_ = -1;
};

/// Carries out what was committed in `folder` and not finished, if anything was; costs one system call otherwise.
/// Throws OSError naming the folder when it cannot be written to.
void finish_transactions(const std::filesystem::path& folder);

}  // namespace transformers
