#include "transformers/mapping/detail/model_view.h"

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/mapping/detail/conversion.h"
#include "transformers/mapping/load_plan.h"
#include "transformers/mapping/ops.h"

namespace transformers::detail {

namespace {

// Reads the tensor's pages at once, and lets go of them with the last use of the bytes.
SharedBytes released_after_use(const CheckpointReader& source, const CheckpointEntry& entry) {
  source.advise(entry, Advice::WillNeed);
  auto data = source.bytes(entry);
  data.owner =
      std::shared_ptr<const void>(data.bytes.data(), [&source, &entry, owner = data.owner](const void*) mutable {
        owner.reset();
        source.advise(entry, Advice::Release);
      });
  return data;
}

}  // namespace

std::string origin_text(const CheckpointReader& reader) {
  return reader.files().empty() ? std::string("the checkpoint") : reader.files().front().native();
}

ModelView::ModelView(const CheckpointReader& source, const Json& config, bool keeps_names)
    : source_(source), dialect_("transformers") {
  const auto& dialect = dialect_of(source);
  entries_.reserve(source.entries().size());
  if (keeps_names) {
    dialect_ = dialect.name;
    for (const auto& entry : source.entries()) add(entry, {.name = entry.name}, true);
  } else if (dialect.name == "transformers") {
    for (const auto& entry : source.entries()) add(entry, {.name = modern_name(entry.name)}, false);
  } else {
    translate(dialect, config);
  }
}

void ModelView::translate(const KeyDialect& dialect, const Json& config) {
  if (!config.is_object())
    throw ValueError(str(origin_text(source_), ": its keys follow the naming of ", quote(dialect.name),
                         ", which cannot be translated without the model's config.json; put one beside the weights"));
  std::vector<std::string> unknown;
  for (const auto& entry : source_.entries()) {
    auto translation =
        dialect.is_ignored(entry.name) ? std::nullopt : dialect.to_model(config, entry.name, entry.shape);
    if (!translation) {
      dropped_.push_back(entry.name);
    } else if (!dialect.to_file(config, translation->name, shape_after(translation->op, entry.shape))) {
      unknown.push_back(entry.name);  // what has no way back was never one of the dialect's names
    } else {
      add(entry, std::move(*translation), false);
    }
  }
  if (!unknown.empty())
    throw ValueError(str(origin_text(source_), ": these keys are none of a ", quote(config.get("model_type", "")),
                         " model in the dialect ", quote(dialect.name), ": ", join(fold_names(unknown), ", ")));
}

void ModelView::add(const CheckpointEntry& entry, KeyTranslation translation, bool keeps_names) {
  const auto [known, is_new] = by_name_.emplace(translation.name, entries_.size());
  if (!is_new)
    throw ValueError(str(origin_text(source_), ": the keys ", quote(origins_[known->second].entry->name), " and ",
                         quote(entry.name), " both stand for ", quote(translation.name), "; remove one of them"));
  auto ours = entry;
  if (!keeps_names && info(entry.dtype).is_quantized) ours.dtype = DataType::F32;
  ours.shape = shape_after(translation.op, std::span<const int64_t>(entry.shape));
  ours.name = std::move(translation.name);
  ours.size_bytes = static_cast<uint64_t>(byte_count(ours.dtype, ours.shape).value_or(0));
  entries_.push_back(std::move(ours));
  origins_.push_back({&entry, translation.op, translation.heads});
}

const CheckpointEntry* ModelView::find(std::string_view name) const {
  const auto found = by_name_.find(std::string(name));
  return found == by_name_.end() ? nullptr : &entries_[found->second];
}

const ModelView::Origin& ModelView::origin_of(const CheckpointEntry& entry) const {
  const auto found = by_name_.find(entry.name);
  if (found == by_name_.end()) throw ValueError(str(quote(entry.name), " is none of the entries"));
  return origins_[found->second];
}

const CheckpointEntry& ModelView::original(const CheckpointEntry& entry) const { return *origin_of(entry).entry; }

SharedBytes ModelView::bytes(const CheckpointEntry& entry) const {
  const auto& origin = origin_of(entry);
  auto data = released_after_use(source_, *origin.entry);
  data = cast_bytes(data, origin.entry->dtype, entry.dtype, entry.name);
  return apply_op(origin.op, data, origin.entry->shape, static_cast<size_t>(info(entry.dtype).block_bytes),
                  origin.heads, entry.name);
}

}  // namespace transformers::detail
