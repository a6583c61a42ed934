#include <algorithm>
#include <unordered_map>

#include "transformers/base/error.h"
#include "transformers/base/ordered_map.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/detail/hdf5_writer.h"
#include "transformers/checkpoint/detail/write_entry.h"
#include "transformers/checkpoint/keras_h5.h"

namespace transformers {
namespace {

// tf-keras whose layout this is; readers tell old layouts from it.
constexpr std::string_view kKerasVersion = "2.21.0";

// `…-00001-of-00002.h5`
bool is_shard(const std::filesystem::path& file) {
  const auto stem = file.stem().native();
  constexpr std::string_view kPattern = "-ddddd-of-ddddd";
  if (stem.size() < kPattern.size()) return false;
  return std::equal(
      kPattern.begin(), kPattern.end(), stem.end() - static_cast<std::ptrdiff_t>(kPattern.size()),
      [](char wanted, char found) { return wanted == 'd' ? found >= '0' && found <= '9' : wanted == found; });
}

// As Keras cuts a list: into the fewest equal parts of which none is too long, longer parts first.
void add_names(const std::filesystem::path& file, detail::Hdf5Node& group, const std::string& attribute,
               std::vector<std::string> names) {
  size_t width = 1;
  for (const auto& name : names) width = std::max(width, name.size());
  if (width > detail::kHdf5MostAttributeBytes)
    throw ValueError(str(file, ": the name ", quote(names.front()), " or one beside it has ", width, " bytes, at most ",
                         detail::kHdf5MostAttributeBytes, " fit"));
  const size_t most = detail::kHdf5MostAttributeBytes / width, parts = (names.size() + most - 1) / most;
  if (parts < 2) return group.attributes.push_back({.name = attribute, .values = std::move(names)});
  auto from = names.begin();
  for (size_t i = 0; i < parts; ++i) {
    const size_t count = names.size() / parts + (i < names.size() % parts ? 1 : 0);
    const auto to = from + static_cast<std::ptrdiff_t>(count);
    group.attributes.push_back({.name = str(attribute, i), .values = {from, to}});
    from = to;
  }
}

detail::Hdf5Node& put(const std::filesystem::path& file, detail::Hdf5Node& group, std::string_view path,
                      const CheckpointWriteEntry& entry) {
  if (!detail::is_plain_text(entry.name))
    throw ValueError(str(file, ": ", quote(entry.name), " is not UTF-8 without NUL"));
  auto& node = group.make(path);
  if (node.data || node.link_to || !node.members.empty())
    throw ValueError(str(file, ": ", quote(entry.name), " is taken: another tensor has this name or lies below it"));
  node.data = &entry;
  return node;
}

class KerasWriter {
 public:
  KerasWriter(const std::filesystem::path& file, const Json& metadata) : file_(file), metadata_(metadata) {}

  void write(std::span<const CheckpointWriteEntry> entries) {
    is_shard(file_) ? add_shard(entries) : add_layers(entries);
    detail::write_hdf5(file_, root_);
  }

 private:
  // Named as the reference does: without the model's part, unless there is nothing else or it is a "model.".
  void add_shard(std::span<const CheckpointWriteEntry> entries) {
    std::vector<std::string> names;
    std::vector<const CheckpointWriteEntry*> order;
    for (const auto& entry : entries) order.push_back(&entry);
    std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) { return a->name < b->name; });
    for (const auto* entry : order) {
      const bool is_whole = entry->name.find("model.") != std::string::npos;
      auto name = is_whole ? entry->name : entry->name.substr(entry->name.find('/') + 1);
      put(file_, root_, name, *entry);
      names.push_back(std::move(name));
    }
    add_names(file_, root_, "layer_names", std::move(names));
  }

  // Each layer's weights: as `layers` of the metadata lists them, others where their names say.
  void assign_layers(std::span<const CheckpointWriteEntry> entries) {
    std::unordered_map<std::string_view, const CheckpointWriteEntry*> by_name, unassigned;
    for (const auto& entry : entries) by_name.emplace(entry.name, &entry);
    unassigned = by_name;
    if (const Json* layers = metadata_.find("layers"); layers && layers->is_object())
      for (const auto& [layer, names] : layers->as_object()) {
        std::vector<const CheckpointWriteEntry*> weights;
        for (size_t i = 0; names.is_array() && i < names.size(); ++i) {
          const Json& name = names.as_array()[i];
          const auto found = name.is_string() ? by_name.find(name.as_string()) : by_name.end();
          if (found == by_name.end()) continue;
          weights.push_back(found->second);
          unassigned.erase(found->first);
        }
        layers_.set(layer, std::move(weights));
      }
    for (const auto& entry : entries) {
      if (by_name.at(entry.name) == &entry && !unassigned.contains(entry.name)) continue;
      const auto layer = layer_of(entry.name);
      if (!layers_.contains(layer)) layers_.set(layer, {});
      layers_.find(layer)->push_back(&entry);
    }
    if (!layers_.contains(kTopLevel)) layers_.set(kTopLevel, {});
  }

  static std::string layer_of(const std::string& name) {
    const auto parts = split(name, '/');
    return parts.size() > 2 ? parts[1] : parts[0];
  }

  void add_layers(std::span<const CheckpointWriteEntry> entries) {
    assign_layers(entries);
    std::vector<std::string> layer_names;
    std::unordered_map<const CheckpointWriteEntry*, detail::Hdf5Node*> placed;
    for (const auto& [layer, weights] : layers_) {
      std::vector<std::string> names;
      auto& group = root_.make(layer);
      for (const auto* entry : weights) {
        auto& node = put(file_, group, entry->name, *entry);
        if (const auto [first, is_new] = placed.emplace(entry, &node); !is_new) {
          node.data = nullptr;
          node.link_to = first->second;
          ++first->second->names;
        }
        names.push_back(entry->name);
      }
      add_names(file_, group, "weight_names", std::move(names));
      if (layer != kTopLevel) layer_names.push_back(layer);
    }
    add_names(file_, root_, "layer_names", std::move(layer_names));
    const auto text = [&](const char* key, std::string_view otherwise) {
      const Json* value = metadata_.find(key);
      const bool is_given = value && value->is_string() && value->as_string().size() < 256;
      root_.attributes.push_back(
          {.name = key, .values = {is_given ? value->as_string() : std::string(otherwise)}, .is_list = false});
    };
    text("backend", "tensorflow");
    text("keras_version", kKerasVersion);
  }

  static inline const std::string kTopLevel = "top_level_model_weights";
  const std::filesystem::path& file_;
  const Json& metadata_;
  OrderedMap<std::string, std::vector<const CheckpointWriteEntry*>> layers_;
  detail::Hdf5Node root_;
};

}  // namespace

void write_keras_h5(const std::filesystem::path& file, std::span<const CheckpointWriteEntry> entries,
                    const Json& metadata) {
  KerasWriter(file, metadata).write(entries);
}

}  // namespace transformers
