#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace transformers {

/// What is going to happen to a part of a mapping.
enum class Advice {
  /// It is wanted soon: the system reads it, in pieces as large as the disk likes, where a page that is touched unasked
  /// brings only its neighbours. Returns when that is asked for, which for many megabytes may be when most is there.
  WillNeed,
  /// It is not wanted for some time: the process lets go of its memory, the system keeps what it has room for. When it
  /// is
  /// next touched it is read again. Not for parts that somebody wrote to: those changes would be lost.
  Release,
  /// As Release, and the system forgets it too, for the benefit of what is wanted before.
  Evict,
};

/// A file mapped privately: writing to the mapping never reaches the file. Shared by everything that views it. Throws
/// FileNotFoundError, OSError.
class MappedFile {
 public:
  [[nodiscard]] static std::shared_ptr<const MappedFile> open(const std::filesystem::path& file);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  [[nodiscard]] std::span<const std::byte> bytes() const { return {data_, size_}; }
  /// Of bytes outside the mapping nothing is said.
  void advise(std::span<const std::byte> part, Advice advice) const;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  MappedFile() = default;
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

/// Bytes inside a mapping (or a buffer) together with what keeps them alive.
struct SharedBytes {
  std::span<const std::byte> bytes = {};
  std::shared_ptr<const void> owner = {};
};

/// The whole file as text; refuses one larger than `most_bytes`. Throws FileNotFoundError, OSError.
[[nodiscard]] std::string read_text(const std::filesystem::path& file, int64_t most_bytes = int64_t{1} << 30);

/// A file that appears whole or not at all: written beside the target under a private name, synced and renamed by
/// `commit`; without it the destructor removes what was written. A replaced file hands on its permissions, a new one
/// has those that the umask leaves. Where the target is a symbolic link, the link itself is replaced and what it points
/// to stays as it is: the Hub's cache consists of links to files that several revisions share. Throws OSError naming
/// the target and the reason.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path target);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);
  void commit();

 private:
  std::filesystem::path target_, temporary_;
  int descriptor_ = -1;
};

/// How a text of Git LFS begins that stands in the place of a file whose contents were not fetched.
inline constexpr std::string_view kLfsPointerStart = "version https://git-lfs.github.com/spec/";

/// True for the name of an index of a checkpoint in shards: model.safetensors.index.json, and with a variant
/// model.safetensors.index.fp16.json.
[[nodiscard]] bool is_shard_index(std::string_view name);

void write_text_atomic(const std::filesystem::path& file, std::string_view text);

/// `name` joined to `folder`; throws ValueError unless it stays inside: no separator at the start, no `..`, no NUL, no
/// drive. Links are followed: the Hub cache consists of them. `what` names the origin of `name` in the error.
[[nodiscard]] std::filesystem::path path_inside(const std::filesystem::path& folder, std::string_view name,
                                                std::string_view what);

/// The value of an environment variable, empty when unset.
[[nodiscard]] std::string environment(const char* name);
/// 1, ON, YES or TRUE in any case.
[[nodiscard]] bool environment_flag(const char* name);

}  // namespace transformers
