#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "transformers/checkpoint/checkpoint.h"
#include "transformers/mapping/dialects.h"

namespace transformers::detail {

/// A checkpoint of any dialect as the model's own: our names and layouts, block types expanded to float32. Nothing is
/// read before `bytes` is asked for, and then one tensor, whose pages in the file are let go of when the bytes are.
/// `source` and `config` must outlive it.
class ModelView final : public CheckpointReader {
 public:
  /// Throws ValueError listing keys that the dialect does not know, naming a tensor that two keys stand for, or saying
  /// that a dialect other than ours needs a config. `keeps_names`: the file's names and layouts stay as they are.
  ModelView(const CheckpointReader& source, const Json& config, bool keeps_names);

  [[nodiscard]] std::span<const CheckpointEntry> entries() const override { return entries_; }
  [[nodiscard]] const CheckpointEntry* find(std::string_view name) const override;
  [[nodiscard]] SharedBytes bytes(const CheckpointEntry& entry) const override;
  [[nodiscard]] std::span<const std::filesystem::path> files() const override { return source_.files(); }
  [[nodiscard]] const Json& metadata() const override { return source_.metadata(); }
  [[nodiscard]] std::string_view dialect() const override { return dialect_; }

  /// The entry of the file behind one of ours, and whether both lie in the same bytes.
  [[nodiscard]] const CheckpointEntry& original(const CheckpointEntry& entry) const;
  /// Keys of the file that are no weights and are left out.
  [[nodiscard]] const std::vector<std::string>& dropped() const { return dropped_; }

 private:
  struct Origin {
    const CheckpointEntry* entry = nullptr;
    Op op = Op::Rename;
    int64_t heads = 0;
  };
  void add(const CheckpointEntry& entry, KeyTranslation translation, bool keeps_names);
  void translate(const KeyDialect& dialect, const Json& config);
  [[nodiscard]] const Origin& origin_of(const CheckpointEntry& entry) const;

  const CheckpointReader& source_;
  std::string_view dialect_;
  std::vector<CheckpointEntry> entries_;
  std::vector<Origin> origins_;
  std::vector<std::string> dropped_;
  std::unordered_map<std::string, size_t> by_name_;
};

/// For messages: where a checkpoint comes from.
[[nodiscard]] std::string origin_text(const CheckpointReader& reader);

}  // namespace transformers::detail
