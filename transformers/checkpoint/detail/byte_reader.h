#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <span>
#include <string_view>

namespace transformers::detail {

/// Walks over the bytes of a file; every step is checked against what remains. Little-endian. Throws OSError naming the
/// file and the place.
class ByteReader {
 public:
  ByteReader(std::span<const std::byte> bytes, const std::filesystem::path& file) : bytes_(bytes), file_(&file) {}

  [[nodiscard]] uint64_t position() const { return position_; }
  [[nodiscard]] uint64_t remaining() const { return bytes_.size() - position_; }

  template <class T>
  [[nodiscard]] T read(std::string_view what) {
    T value;
    std::memcpy(&value, take(sizeof value, what).data(), sizeof value);
    return value;
  }
  [[nodiscard]] std::span<const std::byte> take(uint64_t size_bytes, std::string_view what) {
    if (size_bytes > remaining()) fail_short(size_bytes, what);
    const auto taken = bytes_.subspan(position_, size_bytes);
    position_ += size_bytes;
    return taken;
  }
  [[nodiscard]] std::string_view text(uint64_t size_bytes, std::string_view what) {
    const auto taken = take(size_bytes, what);
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }
  /// A count of things that take at least `least_bytes` each; refused when they cannot fit into what remains, so that a
  /// caller may reserve room for them.
  [[nodiscard]] uint64_t checked_count(uint64_t count, uint64_t least_bytes, std::string_view what) const {
    if (count > remaining() / least_bytes) fail_count(count, what);
    return count;
  }

 private:
  [[noreturn]] void fail_short(uint64_t size_bytes, std::string_view what) const;
  [[noreturn]] void fail_count(uint64_t count, std::string_view what) const;

  std::span<const std::byte> bytes_;
  const std::filesystem::path* file_;  // a pointer, so that a reader can be assigned
  uint64_t position_ = 0;
};

}  // namespace transformers::detail
