#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace transformers::testing {

/// Value types of GGUF metadata.
enum GgufType : uint32_t { U8, I8, U16, I16, U32, I32, F32, Bool, String, Array, U64, I64, F64 };

/// Writes GGUF files, honest or not, and remembers where each field lies that a reader has to distrust.
class GgufBuilder {
 public:
  struct Field {
    std::string what;
    size_t at = 0, width = 0;
  };
  struct Tensor {
    std::string name;
    std::vector<uint64_t> dims;  // innermost first, as in the file
    uint32_t type = 0;
    uint64_t size_bytes = 0;
    int64_t offset = -1;  // -1: behind the tensor before it, aligned
  };

  uint32_t version = 3;
  uint64_t alignment = 32;
  std::string data_fill = "\x01";

  /// A scalar as its little-endian bytes, or a list as its type, length and elements.
  GgufBuilder& pair(std::string_view key, GgufType type, std::string_view value);
  GgufBuilder& text(std::string_view key, std::string_view value);
  GgufBuilder& list(std::string_view key, GgufType type, const std::vector<std::string>& values);
  GgufBuilder& tensor(Tensor tensor);

  [[nodiscard]] std::string build();
  /// Of the last build: lengths, counts, types, dimensions and offsets; all zero-extended where narrower than 8 bytes.
  [[nodiscard]] const std::vector<Field>& fields() const { return fields_; }

 private:
  struct Pair {
    std::string key;
    GgufType type;
    std::string value = {};
    GgufType element = U8;
    std::vector<std::string> elements = {};
  };
  void number(std::string_view what, uint64_t value, size_t width);
  void sized(std::string_view what, std::string_view text);

  std::vector<Pair> pairs_;
  std::vector<Tensor> tensors_;
  std::string out_;
  std::vector<Field> fields_;
};

}  // namespace transformers::testing
