#include "transformers/placement/offload_folder.h"

#include <map>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/nn/dtypes.h"

namespace transformers {

namespace fs = std::filesystem;

namespace {

constexpr int64_t kMostIndexBytes = 256 << 20;

// One weight whose file is nothing but its values.
class RawFile final : public CheckpointReader {
 public:
  RawFile(const fs::path& file, CheckpointEntry entry) : files_{file}, entry_(std::move(entry)) {
    if (entry_.size_bytes > 0) mapped_ = MappedFile::open(file);
    const auto found = mapped_ ? mapped_->bytes().size() : 0;
    if (found != entry_.size_bytes)
      throw OSError(str(file, ": has ", found, " bytes, expected ", entry_.size_bytes, " for ", info(entry_.dtype).name,
                        " values of the shape ", entry_.shape));
  }

  [[nodiscard]] std::span<const CheckpointEntry> entries() const override { return {&entry_, 1}; }
  [[nodiscard]] const CheckpointEntry* find(std::string_view name) const override {
    return name == entry_.name ? &entry_ : nullptr;
  }
  [[nodiscard]] SharedBytes bytes(const CheckpointEntry&) const override {
    return mapped_ ? SharedBytes{.bytes = mapped_->bytes(), .owner = mapped_} : SharedBytes{};
  }
  void advise(const CheckpointEntry&, Advice advice) const override {
    if (mapped_) mapped_->advise(mapped_->bytes(), advice);
  }
  [[nodiscard]] std::span<const fs::path> files() const override { return files_; }
  [[nodiscard]] const Json& metadata() const override { return metadata_; }
  [[nodiscard]] std::string_view dialect() const override { return "transformers"; }

 private:
  std::vector<fs::path> files_;
  CheckpointEntry entry_;
  std::shared_ptr<const MappedFile> mapped_;
  Json metadata_ = Json::object();
};

class IndexReader {
 public:
  explicit IndexReader(const fs::path& folder) : folder_(folder), index_(folder / "index.json") {}

  std::shared_ptr<WeightStore> read() {
    const auto json = Json::parse_file(index_, kMostIndexBytes);
    if (!json.is_object()) throw OSError(str(index_, ": is a JSON ", json.type_name(), ", expected an object"));
    auto store = std::make_shared<WeightStore>();
    for (const auto& [name, row] : json.as_object()) {
      if (!row.is_object()) refuse(name, str("is a JSON ", row.type_name(), ", expected an object"));
      store->read_in_place(name, row.contains("safetensors_file") ? in_checkpoint(name, row) : in_raw_file(name, row));
    }
    return store;
  }

 private:
  [[noreturn]] void refuse(const std::string& name, const std::string& what) const {
    throw ValueError(str(index_, ": ", quote(name), " ", what));
  }

  [[nodiscard]] const std::string& text(const std::string& name, const Json& row, std::string_view key) const {
    const auto* value = row.find(key);
    if (!value || !value->is_string()) refuse(name, str("has no text ", quote(key)));
    return value->as_string();
  }

  [[nodiscard]] DataType dtype_of(const std::string& name, const Json& row) const {
    const auto& stated = text(name, row, "dtype");
    const auto type = data_type_from_name(stated);
    if (!type || !to_scalar_type(*type)) refuse(name, str("has the unknown dtype ", quote(stated)));
    return *type;
  }

  DiskWeight in_checkpoint(const std::string& name, const Json& row) {
    auto file = fs::path(text(name, row, "safetensors_file"));
    if (file.extension() != ".safetensors")
      refuse(name, str("lies in ", quote(file.native()), ", no safetensors file"));
    if (file.is_relative()) file = path_inside(folder_, file.native(), index_.native());
    auto& reader = readers_[file.native()];
    if (!reader) reader = open_checkpoint(file);
    const auto key = row.contains("weight_name") ? text(name, row, "weight_name") : name;
    const auto* entry = reader->find(key);
    if (!entry) throw OSError(str(file, ": lacks ", quote(key), ", which ", index_, " places there"));
    return {reader, entry, *to_scalar_type(dtype_of(name, row))};
  }

  DiskWeight in_raw_file(const std::string& name, const Json& row) const {
    CheckpointEntry entry{.name = name, .dtype = dtype_of(name, row)};
    const auto* shape = row.find("shape");
    if (!shape || !shape->is_array()) refuse(name, "has no list 'shape'");
    for (const auto& size : shape->as_array()) {
      if (!size.is_int() || size.as_int() < 0) refuse(name, str("has ", size.dump(), " in its shape"));
      entry.shape.push_back(size.as_int());
    }
    const auto size = byte_count(entry.dtype, entry.shape);
    if (!size) refuse(name, "has a shape that no file can hold");
    entry.size_bytes = static_cast<uint64_t>(*size);
    const auto type = *to_scalar_type(entry.dtype);
    const auto file = path_inside(folder_, name + ".dat", index_.native());
    const auto reader = std::make_shared<const RawFile>(file, std::move(entry));
    return {reader, reader->entries().data(), type};
  }

  fs::path folder_, index_;
  std::map<std::string, std::shared_ptr<const CheckpointReader>> readers_;
};

}  // namespace

std::shared_ptr<WeightStore> read_offload_folder(const fs::path& folder) { return IndexReader(folder).read(); }

}  // namespace transformers
