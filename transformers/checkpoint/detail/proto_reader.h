#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

namespace transformers::detail {

/// Walks over the fields of one protobuf message; what it does not know, its caller skips. Strict: a wrong wire type, a
/// length beyond the message or a deprecated group is an OSError that names the file and `what`.
class ProtoReader {
 public:
  ProtoReader(std::string_view message, const std::filesystem::path& file, std::string_view what)
      : rest_(message), file_(file), what_(what) {}

  /// Goes to the next field; false at the end.
  [[nodiscard]] bool next();
  [[nodiscard]] uint64_t field() const { return field_; }

  // The value of this field, which must be of that kind.
  [[nodiscard]] uint64_t varint() const;
  /// A varint that counts or measures: at most 2^63 - 1, so that no negative int64 passes for a length.
  [[nodiscard]] int64_t size() const;
  [[nodiscard]] uint32_t fixed32() const;
  [[nodiscard]] std::string_view bytes() const;
  /// The reader of a message inside this one.
  [[nodiscard]] ProtoReader message() const { return {bytes(), file_, what_}; }

  [[noreturn]] void fail(std::string_view reason) const;

 private:
  void expect(unsigned kind) const;

  std::string_view rest_;
  const std::filesystem::path& file_;
  std::string_view what_;
  uint64_t field_ = 0, number_ = 0;
  unsigned kind_ = 0;
  std::string_view bytes_ = {};
};

}  // namespace transformers::detail
