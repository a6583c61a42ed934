#include "transformers/placement/weight_store.h"

#include <algorithm>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/nn/dtypes.h"
#include "transformers/placement/materialize.h"

namespace transformers {

void WeightStore::hold(const std::string& name, const at::Tensor& tensor) { held_[name] = tensor.detach().cpu(); }

void WeightStore::read_in_place(const std::string& name, DiskWeight weight) { disk_[name] = std::move(weight); }

void WeightStore::alias(const std::string& name, const std::string& source) {
  if (name != source) aliases_[name] = source_of(source);
}

const std::string& WeightStore::source_of(const std::string& name) const {
  const auto found = aliases_.find(name);
  return found == aliases_.end() ? name : found->second;
}

const DiskWeight* WeightStore::on_disk(const std::string& name) const {
  const auto found = disk_.find(source_of(name));
  return found == disk_.end() ? nullptr : &found->second;
}

bool WeightStore::contains(const std::string& name) const {
  return on_disk(name) != nullptr || held_.contains(source_of(name));
}

at::Tensor WeightStore::load(const std::string& name) const {
  if (const auto* weight = on_disk(name))
    return materialize(*weight->reader, *weight->entry, Op::Rename, 0, weight->dtype);
  const auto held = held_.find(source_of(name));
  if (held == held_.end()) throw KeyError(str("no offloaded weight is called ", quote(name)));
  return held->second;
}

void WeightStore::prefetch(const std::string& name) const {
  if (const auto* weight = on_disk(name)) weight->reader->advise(*weight->entry, Advice::WillNeed);
}

void WeightStore::release(const std::string& name) const {
  if (const auto* weight = on_disk(name))
    weight->reader->advise(*weight->entry, evicted_.contains(source_of(name)) ? Advice::Evict : Advice::Release);
}

void WeightStore::keep_at_most(int64_t size_bytes) {
  std::vector<std::string> order;
  for (const auto& [name, weight] : disk_) order.push_back(name);
  std::sort(order.begin(), order.end(), natural_less);
  evicted_.clear();
  for (const auto& name : order) {
    size_bytes -= static_cast<int64_t>(disk_.at(name).entry->size_bytes);
    if (size_bytes < 0) evicted_.insert(name);
  }
}

std::vector<std::string> WeightStore::names() const {
  std::vector<std::string> out;
  for (const auto& [name, tensor] : held_) out.push_back(name);
  for (const auto& [name, weight] : disk_) out.push_back(name);
  for (const auto& [name, source] : aliases_) out.push_back(name);
  std::sort(out.begin(), out.end(), natural_less);
  return out;
}

Json WeightStore::index() const {
  Json::Object rows;
  for (const auto& name : names()) {
    const auto* weight = on_disk(name);
    if (!weight) continue;
    const auto file = std::filesystem::absolute(weight->reader->files()[weight->entry->file]);
    if (file.extension() == ".dat")  // the older form, whose values are of this type already
      rows.emplace_back(
          name,
          Json(Json::Object{{"dtype", std::string(info(weight->entry->dtype).name)},
                            {"shape", Json(Json::Array(weight->entry->shape.begin(), weight->entry->shape.end()))}}));
    else
      rows.emplace_back(name, Json(Json::Object{{"safetensors_file", file.native()},
                                                {"weight_name", weight->entry->name},
                                                {"dtype", std::string(info(to_data_type(weight->dtype)).name)}}));
  }
  return Json(std::move(rows));
}

}  // namespace transformers
