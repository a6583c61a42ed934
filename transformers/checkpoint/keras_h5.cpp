#include "transformers/checkpoint/keras_h5.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>
#include <unordered_set>

#include "transformers/base/error.h"
#include "transformers/base/ordered_map.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/detail/hdf5.h"
#include "transformers/checkpoint/detail/mapped_reader.h"

namespace transformers {
namespace {

constexpr size_t kMostDepth = 64;  // of groups in groups

struct Weight {
  std::string layer, name;
  detail::Hdf5Dataset data;
};

class KerasParser {
 public:
  explicit KerasParser(const std::shared_ptr<const MappedFile>& mapped)
      : file_(std::make_shared<detail::Hdf5File>(mapped)), most_name_bytes_(65536 + 8 * mapped->bytes().size()) {}

  void parse() {
    uint64_t group = file_->root();
    auto layers = names(group, "layer_names");
    if (!layers) {
      if (const auto inner = file_->find(group, "model_weights")) {  // `model.save`
        group = *inner;
        layers = names(group, "layer_names");
      }
    }
    read_metadata(group);
    if (!layers) return add_tree(group, "", "", 0);
    for (const auto layer : *layers) {
      check_name(layer);
      layers_.set(std::string(layer), {});
    }
    for (const auto layer : *layers) add_layer(group, layer);
    constexpr std::string_view kTopLevel = "top_level_model_weights";
    const auto top = file_->find(group, kTopLevel);
    if (top && std::find(layers->begin(), layers->end(), kTopLevel) == layers->end()) add_layer(group, kTopLevel);
  }

  // The entries, and the dataset of each.
  detail::ParsedCheckpoint finish(std::vector<detail::Hdf5Dataset>& datasets) {
    const auto keep = name_apart();
    list_layers();
    detail::ParsedCheckpoint out{.metadata = std::move(metadata_)};
    std::unordered_set<std::string_view> taken;
    out.entries.reserve(weights_.size());
    for (size_t i = 0; i < weights_.size(); ++i) {
      if (!keep[i]) continue;
      auto& weight = weights_[i];
      if (!taken.insert(weight.name).second) file_->fail(str("has the weight ", quote(weight.name), " twice"));
      out.entries.push_back({.name = weight.name,
                             .dtype = weight.data.number.dtype,
                             .shape = weight.data.shape,
                             .offset = weight.data.is_one_run() && weight.data.size_bytes > 0 ? weight.data.offset : 0,
                             .size_bytes = weight.data.size_bytes});
      datasets.push_back(std::move(weight.data));
    }
    return out;
  }

  [[nodiscard]] std::shared_ptr<detail::Hdf5File> file() const { return file_; }

 private:
  using Names = std::vector<std::string_view>;

  // A list of names, which Keras cuts into `name0`, `name1`, … when it is long.
  std::optional<Names> names(uint64_t object, std::string_view attribute) {
    if (auto whole = file_->texts(object, attribute)) return whole;
    Names out;
    for (size_t i = 0;; ++i) {
      const auto part = file_->texts(object, str(attribute, i));
      if (!part) break;
      out.insert(out.end(), part->begin(), part->end());
    }
    return out.empty() ? std::nullopt : std::optional(std::move(out));
  }

  void read_metadata(uint64_t group) {
    metadata_ = Json::object();
    for (const char* key : {"backend", "keras_version"}) {
      const auto found = file_->texts(group, key);
      if (found && found->size() == 1 && is_utf8(found->front())) metadata_[key] = found->front();
    }
  }

  // Which weights each layer lists, shared ones in all of them: what a writer needs to write the same file.
  void list_layers() {
    if (std::any_of(weights_.begin(), weights_.end(), [](const Weight& w) { return w.layer.empty(); })) return;
    for (const auto& weight : weights_) {
      if (!layers_.contains(weight.layer)) layers_.set(weight.layer, {});
      layers_.find(weight.layer)->emplace_back(weight.name);
    }
    Json::Object object;
    for (const auto& [layer, names] : layers_) object.emplace_back(layer, Json(names));
    metadata_["layers"] = std::move(object);
  }

  void check_name(std::string_view name) const {
    if (!is_utf8(name) || name.find('\0') != std::string_view::npos)
      file_->fail(str("the name ", quote(name), " is not UTF-8 without NUL"));
  }

  void add(std::string_view layer, std::string_view name, uint64_t object) {
    check_name(name);
    file_->spend(64);  // what a weight takes in memory, against what an honest one takes in the file
    name_bytes_ += layer.size() + name.size();
    if (name_bytes_ > most_name_bytes_) file_->fail("the names of its weights take more than eight times the file");
    weights_.push_back({std::string(layer), std::string(name), file_->dataset(object, name)});
  }

  uint64_t find(uint64_t group, std::string_view name, std::string_view list) {
    const auto found = file_->find(group, name);
    if (!found) file_->fail(str(quote(list), " names ", quote(name), ", which the file does not hold"));
    return *found;
  }

  void add_layer(uint64_t group, std::string_view layer) {
    const auto object = find(group, layer, "layer_names");
    if (file_->is_dataset(object)) return add("", layer, object);  // a shard
    const auto weights = names(object, "weight_names");
    if (!weights) return add_tree(object, layer, std::string(layer), 0);
    for (const auto name : *weights) add(layer, name, find(object, name, "weight_names"));
  }

  // Every dataset below, called by its path: files from before weight_names, and those of Keras 3.
  // NOLINTNEXTLINE(misc-no-recursion): the depth is limited
  void add_tree(uint64_t group, std::string_view layer, const std::string& path, size_t depth) {
    if (depth > kMostDepth) file_->fail(str("nests more than ", kMostDepth, " groups"));
    const auto links = file_->links(group);
    for (const auto& link : links) {
      const auto name = path.empty() ? std::string(link.name) : str(path, "/", link.name);
      const auto object = file_->find(group, link.name);
      if (!object) continue;
      if (file_->is_dataset(*object))
        add(layer, name, *object);
      else
        add_tree(*object, layer, name, depth + 1);
    }
  }

  // TF lists a shared weight in every layer that uses it, with a copy of its bytes each time: one entry. Other weights
  // of the same name are told apart by their layers. Says which of the weights stay.
  std::vector<bool> name_apart() {
    std::unordered_map<std::string_view, std::vector<size_t>> same;
    for (size_t i = 0; i < weights_.size(); ++i) same[weights_[i].name].push_back(i);
    std::vector<bool> keep(weights_.size(), true);
    std::vector<size_t> prefixed;
    for (const auto& [name, places] : same) {
      const auto is_copy = [&, first = places[0]](size_t i) { return have_same_bytes(weights_[first], weights_[i]); };
      if (std::all_of(places.begin() + 1, places.end(), is_copy))
        for (size_t k = 1; k < places.size(); ++k) keep[places[k]] = false;
      else
        prefixed.insert(prefixed.end(), places.begin(), places.end());
    }
    same.clear();  // it views the names
    for (const size_t i : prefixed) weights_[i].name = str(weights_[i].layer, "/", weights_[i].name);
    return keep;
  }

  bool have_same_bytes(const Weight& a, const Weight& b) {
    if (a.data.number.dtype != b.data.number.dtype || a.data.shape != b.data.shape) return false;
    if (!a.data.is_one_run() || !b.data.is_one_run()) return false;
    if (a.data.offset == b.data.offset) return true;
    compared_bytes_ += a.data.size_bytes;
    const auto all = file_->bytes();
    if (compared_bytes_ > all.size()) return false;  // honest copies take room of their own
    return std::memcmp(all.data() + a.data.offset, all.data() + b.data.offset, a.data.size_bytes) == 0;
  }

  std::shared_ptr<detail::Hdf5File> file_;
  const uint64_t most_name_bytes_;
  uint64_t name_bytes_ = 0, compared_bytes_ = 0;
  std::vector<Weight> weights_;
  OrderedMap<std::string, Json::Array> layers_;
  Json metadata_;
};

bool matches(std::span<const std::byte> head, const std::filesystem::path& file) {
  constexpr std::string_view kSignature = "\x89HDF\r\n\x1a\n";
  return file.extension() == ".h5" || file.extension() == ".hdf5" ||
         (head.size() >= kSignature.size() && std::memcmp(head.data(), kSignature.data(), kSignature.size()) == 0);
}

std::unique_ptr<CheckpointReader> open_keras(const std::filesystem::path& file) {
  auto mapped = detail::map_weights(file);
  KerasParser parser(mapped);
  parser.parse();
  std::vector<detail::Hdf5Dataset> datasets;
  auto parsed = parser.finish(datasets);
  std::vector<std::string> names;
  for (const auto& entry : parsed.entries) names.push_back(entry.name);
  return detail::make_decoding_reader(
      std::move(mapped), std::move(parsed), "keras",
      [hdf5 = parser.file(), datasets = std::move(datasets), names = std::move(names)](
          size_t index, std::span<std::byte> target) { hdf5->read(datasets[index], names[index], target); });
}

}  // namespace

constinit const CheckpointFormat keras_format{
    .name = "keras",
    .extension = ".h5",
    .dialect = "keras",
    .matches = matches,
    .open = open_keras,
    .write = write_keras_h5,
};

}  // namespace transformers
