#include "gguf_builder.h"

#include "support.h"

namespace transformers::testing {

GgufBuilder& GgufBuilder::pair(std::string_view key, GgufType type, std::string_view value) {
  pairs_.push_back({std::string(key), type, std::string(value)});
  return *this;
}

GgufBuilder& GgufBuilder::text(std::string_view key, std::string_view value) { return pair(key, String, value); }

GgufBuilder& GgufBuilder::list(std::string_view key, GgufType type, const std::vector<std::string>& values) {
  pairs_.push_back({.key = std::string(key), .type = Array, .element = type, .elements = values});
  return *this;
}

GgufBuilder& GgufBuilder::tensor(Tensor tensor) {
  tensors_.push_back(std::move(tensor));
  return *this;
}

void GgufBuilder::number(std::string_view what, uint64_t value, size_t width) {
  fields_.push_back({std::string(what), out_.size(), width});
  out_ += little_endian(value, width);
}

void GgufBuilder::sized(std::string_view what, std::string_view text) {
  number(what, text.size(), 8);
  out_ += text;
}

std::string GgufBuilder::build() {
  out_ = "GGUF";
  fields_.clear();
  number("version", version, 4);
  number("tensor count", tensors_.size(), 8);
  number("pair count", pairs_.size(), 8);
  for (const auto& pair : pairs_) {
    sized("length of a key", pair.key);
    number("type of " + pair.key, pair.type, 4);
    if (pair.type == Array && pair.value.empty()) {
      number("element type of " + pair.key, pair.element, 4);
      number("length of " + pair.key, pair.elements.size(), 8);
      for (const auto& element : pair.elements) {
        if (pair.element == String)
          sized("length of an element of " + pair.key, element);
        else
          out_ += element;
      }
    } else if (pair.type == String) {
      sized("length of " + pair.key, pair.value);
    } else {
      out_ += pair.value;
    }
  }
  uint64_t next = 0, end = 0;
  for (const auto& tensor : tensors_) {
    const uint64_t offset = tensor.offset < 0 ? next : static_cast<uint64_t>(tensor.offset);
    sized("length of a tensor name", tensor.name);
    number("dimensions of " + tensor.name, tensor.dims.size(), 4);
    for (const uint64_t dim : tensor.dims) number("a dimension of " + tensor.name, dim, 8);
    number("type of " + tensor.name, tensor.type, 4);
    number("offset of " + tensor.name, offset, 8);
    end = offset + tensor.size_bytes;
    next = (end + alignment - 1) / alignment * alignment;
  }
  if (!tensors_.empty()) {
    out_.resize((out_.size() + alignment - 1) / alignment * alignment, '\0');
    for (uint64_t i = 0; i < end; ++i) out_ += data_fill[i % data_fill.size()];
  }
  return out_;
}

}  // namespace transformers::testing
