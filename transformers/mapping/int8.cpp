#include "transformers/mapping/int8.h"

#include <cmath>
#include <cstring>
#include <unordered_map>
#include <vector>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"

namespace transformers {

namespace {

class Int8Reader final : public CheckpointReader {
 public:
  explicit Int8Reader(std::unique_ptr<CheckpointReader> inner)
      : inner_(std::move(inner)), metadata_(inner_->metadata()) {
    metadata_["format"] = "pt";  // the names are ours, and so are the values that this reader gives
    for (const auto& entry : inner_->entries())
      if (!is_scale(entry)) add(entry);
    for (size_t i = 0; i < entries_.size(); ++i) by_name_.emplace(entries_[i].name, i);
  }

  [[nodiscard]] std::span<const CheckpointEntry> entries() const override { return entries_; }
  [[nodiscard]] const CheckpointEntry* find(std::string_view name) const override {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : &entries_[found->second];
  }
  [[nodiscard]] SharedBytes bytes(const CheckpointEntry& entry) const override {
    const auto& origin = origin_of(entry);
    return origin.scales ? expand(origin) : inner_->bytes(*origin.values);
  }
  [[nodiscard]] Integrity verify(const CheckpointEntry& entry) const override {
    return inner_->verify(*origin_of(entry).values);
  }
  void advise(const CheckpointEntry& entry, Advice advice) const override {
    const auto& origin = origin_of(entry);
    inner_->advise(*origin.values, advice);
    if (origin.scales) inner_->advise(*origin.scales, advice);
  }
  [[nodiscard]] std::span<const std::filesystem::path> files() const override { return inner_->files(); }
  [[nodiscard]] const Json& metadata() const override { return metadata_; }
  [[nodiscard]] std::string_view dialect() const override { return inner_->dialect(); }

 private:
  struct Origin {
    const CheckpointEntry* values = nullptr;
    const CheckpointEntry* scales = nullptr;  // null: kept as it was
  };

  static bool is_matrix(const CheckpointEntry& entry) { return entry.dtype == DataType::I8 && entry.shape.size() == 2; }
  [[nodiscard]] bool is_scale(const CheckpointEntry& entry) const {
    if (!entry.name.ends_with(kInt8ScaleSuffix)) return false;
    const auto* values = inner_->find(entry.name.substr(0, entry.name.size() - kInt8ScaleSuffix.size()));
    return values && is_matrix(*values);
  }

  void add(const CheckpointEntry& entry) {
    entries_.push_back(entry);
    origins_.push_back({.values = &entry});
    if (!is_matrix(entry)) return;
    const auto* scales = inner_->find(str(entry.name, kInt8ScaleSuffix));
    if (!scales || scales->dtype != DataType::F32 || scales->shape != std::vector<int64_t>{entry.shape[0]})
      throw OSError(str(inner_->files()[entry.file], ": the int8 matrix ", quote(entry.name), " of shape ", entry.shape,
                        " has no scales, expected F32 of ", entry.shape[0], " values called ",
                        quote(str(entry.name, kInt8ScaleSuffix)), "; quantise the model again"));
    origins_.back().scales = scales;
    auto& ours = entries_.back();
    ours.dtype = DataType::F32;
    ours.size_bytes = static_cast<uint64_t>(byte_count(DataType::F32, ours.shape).value_or(0));
    ours.offset = 0;  // it lies nowhere
  }

  [[nodiscard]] const Origin& origin_of(const CheckpointEntry& entry) const {
    const auto found = by_name_.find(entry.name);
    if (found == by_name_.end()) throw KeyError(str("the checkpoint has no entry ", quote(entry.name)));
    return origins_[found->second];
  }

  [[nodiscard]] SharedBytes expand(const Origin& origin) const {
    const auto values = inner_->bytes(*origin.values), scales = inner_->bytes(*origin.scales);
    const auto rows = static_cast<size_t>(origin.values->shape[0]),
               columns = static_cast<size_t>(origin.values->shape[1]);
    const auto out = std::make_shared_for_overwrite<float[]>(rows * columns);
    const auto* from = reinterpret_cast<const int8_t*>(values.bytes.data());
    for (size_t row = 0; row < rows; ++row) {
      float scale = 0;  // not aligned in every file
      std::memcpy(&scale, scales.bytes.data() + row * sizeof scale, sizeof scale);
      if (!std::isfinite(scale))
        throw OSError(str(inner_->files()[origin.scales->file], ": ", quote(origin.scales->name), " has the value ",
                          static_cast<double>(scale), " for row ", row, ", expected a finite scale"));
      for (size_t column = 0; column < columns; ++column)
        out[row * columns + column] = scale * static_cast<float>(from[row * columns + column]);
    }
    return {.bytes = std::as_bytes(std::span(out.get(), rows * columns)), .owner = out};
  }

  std::unique_ptr<CheckpointReader> inner_;
  Json metadata_;
  std::vector<CheckpointEntry> entries_;
  std::vector<Origin> origins_;  // of each entry, in the file
  std::unordered_map<std::string_view, size_t> by_name_;
};

}  // namespace

Json int8_config() {
  return Json::Object{{"quant_method", kInt8Format}, {"bits", 8}, {"scale_suffix", kInt8ScaleSuffix}};
}

bool is_int8_config(const Json& config, std::string_view where) {
  if (!config.is_object() || config.get("quant_method", "") != kInt8Format) return false;
  for (const auto& [key, expected] : int8_config().as_object())
    if (const auto* value = config.find(key); !value || *value != expected)
      throw ValueError(str(where, ": the quantization_config of ", kInt8Format, " has ", quote(key), " = ",
                           value ? value->dump() : "nothing", ", expected ", expected.dump()));
  return true;
}

bool is_int8_checkpoint(const CheckpointReader& reader) {
  const auto* format = reader.metadata().find("format");
  return format && format->is_string() && format->as_string() == kInt8Format;
}

std::unique_ptr<CheckpointReader> expand_int8(std::unique_ptr<CheckpointReader> reader) {
  if (!is_int8_checkpoint(*reader)) return reader;
  return std::make_unique<Int8Reader>(std::move(reader));
}

}  // namespace transformers
