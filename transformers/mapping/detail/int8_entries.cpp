#include "transformers/mapping/detail/int8_entries.h"

#include <memory>

#include "transformers/base/strings.h"
#include "transformers/mapping/detail/conversion.h"
#include "transformers/mapping/int8.h"

namespace transformers::detail {

namespace {

bool is_matrix(const CheckpointWriteEntry& entry) {
  return entry.shape.size() == 2 && is_castable(entry.dtype) && element_count(entry.shape).value_or(0) > 0;
}

// One matrix on its way: the scales, which the file holds before the integers, stay; the integers are made again.
class Int8Source {
 public:
  Int8Source(CheckpointWriteEntry entry, ConvertedTensor& report) : entry_(std::move(entry)), report_(report) {}

  SharedBytes values() {
    const auto made = std::make_shared<Int8Matrix>(quantize());
    return {.bytes = std::as_bytes(std::span(made->values)), .owner = made};
  }
  SharedBytes scales() {
    const auto made = std::make_shared<std::vector<float>>(quantize().scales);
    return {.bytes = std::as_bytes(std::span(*made)), .owner = made};
  }

 private:
  Int8Matrix quantize() {
    const auto data = entry_.bytes();
    auto made = quantize_int8(data, entry_.dtype, entry_.shape[0], entry_.shape[1], entry_.name);
    const auto sums = compare_int8(data, entry_.dtype, made);
    report_.error = sums.relative();
    report_.power = sums.values;
    return made;
  }

  CheckpointWriteEntry entry_;
  ConvertedTensor& report_;
};

}  // namespace

void quantize_entries(std::vector<CheckpointWriteEntry>& entries, Json& metadata,
                      std::vector<ConvertedTensor>& tensors) {
  std::vector<CheckpointWriteEntry> out;
  for (size_t i = 0; i < entries.size(); ++i) {
    if (!is_matrix(entries[i])) {
      out.push_back(std::move(entries[i]));
      continue;
    }
    const auto name = entries[i].name;
    const auto shape = entries[i].shape;
    tensors[i].to = DataType::I8;
    tensors[i].bytes = shape[0] * shape[1] + shape[0] * static_cast<int64_t>(sizeof(float));
    const auto source = std::make_shared<Int8Source>(std::move(entries[i]), tensors[i]);
    out.push_back(
        {.name = name, .dtype = DataType::I8, .shape = shape, .bytes = [source] { return source->values(); }});
    out.push_back(
        {.name = str(name, kInt8ScaleSuffix), .shape = {shape[0]}, .bytes = [source] { return source->scales(); }});
  }
  entries = std::move(out);
  metadata["format"] = kInt8Format;
}

}  // namespace transformers::detail
