#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace transformers::hub {

/// The state that the digests of this file share: blocks of 64 bytes, big-endian words, the length at the end.
template <size_t kWords>
class BlockHash {
 public:
  void update(std::span<const std::byte> bytes);
  void update(std::string_view text) { update(std::as_bytes(std::span(text))); }
  /// The digest as lower-case hexadecimal; nothing may be added afterwards.
  [[nodiscard]] std::string hex();

 protected:
  using Compress = void (*)(uint32_t* state, const std::byte* blocks, size_t count);
  BlockHash(std::array<uint32_t, kWords> start, Compress compress) : state_(start), compress_(compress) {}

 private:
  std::array<uint32_t, kWords> state_;
  Compress compress_;
  std::array<std::byte, 64> pending_ = {};
  uint64_t size_bytes_ = 0;
};

/// FIPS 180-4. The Hub names large (LFS) objects by it.
class Sha256 final : public BlockHash<8> {
 public:
  Sha256();
};

/// FIPS 180-4. Git names its objects by it; a check against damage, not against an attacker.
class Sha1 final : public BlockHash<5> {
 public:
  Sha1();
};

/// The header that git hashes in front of a file's content.
[[nodiscard]] std::string git_blob_header(int64_t size_bytes);

/// SHA-256 of a whole file. Throws FileNotFoundError, OSError.
[[nodiscard]] std::string file_sha256(const std::filesystem::path& file);
/// What `git hash-object` gives for a file. Throws FileNotFoundError, OSError.
[[nodiscard]] std::string file_git_hash(const std::filesystem::path& file);

}  // namespace transformers::hub
