#include "transformers/checkpoint/tf_bundle.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <unordered_set>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/detail/crc32c.h"
#include "transformers/checkpoint/detail/mapped_reader.h"
#include "transformers/checkpoint/detail/tf_bundle_index.h"
#include "transformers/checkpoint/detail/tf_table.h"

namespace transformers {
namespace {

namespace fs = std::filesystem;
using detail::TfBundleEntry;
using detail::TfSlice;

// A run of bytes in a data file, and the rows of its tensor, along the axis of its slices, that it holds.
struct Piece {
  size_t file = 0;
  uint64_t offset = 0, size_bytes = 0;
  uint32_t crc = 0;
  int64_t start = 0, length = 0;
};

struct Tensor {
  CheckpointEntry entry = {};
  std::vector<Piece> pieces = {};  // one, unless the variable was saved in slices
  size_t axis = 0;
};

struct DataFile {
  fs::path path = {};
  std::shared_ptr<const MappedFile> mapped = {};
};

struct Bundle {
  std::vector<DataFile> files = {};
  std::vector<Tensor> tensors = {};
  Json metadata = Json::object();
};

// Joins what the index says with what lies in the data files.
class BundleBuilder {
 public:
  BundleBuilder(const fs::path& file, detail::TfBundleIndex index) : file_(file), index_(std::move(index)) {}

  Bundle build() {
    open_files();
    for (const auto& [name, entry] : index_.entries) add(name, entry);
    for (const auto& [key, entry] : index_.slices)
      if (!used_slices_.contains(key)) fail("holds a slice of a variable that it does not list");
    check_overlaps();
    std::stable_sort(out_.tensors.begin(), out_.tensors.end(), [](const Tensor& a, const Tensor& b) {
      const auto &p = a.pieces[0], &q = b.pieces[0];
      return std::pair(p.file, p.offset) < std::pair(q.file, q.offset);
    });
    Json::Object metadata{{"num_shards", index_.header.num_shards}, {"producer", index_.header.producer}};
    if (!skipped_.empty()) metadata.emplace_back("skipped", std::move(skipped_));
    out_.metadata = std::move(metadata);
    return std::move(out_);
  }

 private:
  [[noreturn]] void fail(std::string_view reason) const { throw OSError(str(file_, ": ", reason)); }
  [[noreturn]] void fail(std::string_view name, std::string_view reason) const {
    fail(str("the variable ", quote(name), " ", reason));
  }

  // Those files that something lies in; a file of nothing but empty tensors may be empty.
  void open_files() {
    std::map<int64_t, bool> has_bytes;
    const auto note = [&](const TfBundleEntry& entry) { has_bytes[entry.shard] |= entry.size_bytes > 0; };
    for (const auto& [name, entry] : index_.entries)
      if (entry.slices.empty()) note(entry);
    for (const auto& [key, entry] : index_.slices) note(entry);
    for (const auto& [shard, needs_bytes] : has_bytes) {
      auto path = detail::tf_shard_path(file_, shard, index_.header.num_shards);
      try {
        auto mapped = needs_bytes ? detail::map_weights(path) : MappedFile::open(path);
        positions_.emplace(shard, out_.files.size());
        out_.files.push_back({.path = std::move(path), .mapped = std::move(mapped)});
      } catch (const FileNotFoundError&) {
        throw FileNotFoundError(str(path, ": this data file is missing, ", file_.filename(), " needs it"));
      }
    }
  }

  void add(const std::string& name, const TfBundleEntry& entry) {
    const auto dtype = detail::data_type_from_tensorflow(entry.dtype);
    if (!dtype) return skip(name, entry);
    const auto size = byte_count(*dtype, entry.shape);
    if (!size) fail(name, str("has the shape ", entry.shape, ", whose size overflows"));
    Tensor tensor{
        .entry = {.name = name, .dtype = *dtype, .shape = entry.shape, .size_bytes = static_cast<uint64_t>(*size)}};
    if (entry.slices.empty()) {
      tensor.pieces.push_back(place(name, entry));
      tensor.entry.offset = entry.offset;
      check_size(name, tensor.pieces[0], *dtype, entry.shape);
    } else {
      add_slices(tensor, entry);
    }
    tensor.entry.file = tensor.pieces[0].file;
    out_.tensors.push_back(std::move(tensor));
  }

  void skip(const std::string& name, const TfBundleEntry& entry) {
    const auto type = detail::unheld_tensorflow_type(entry.dtype);
    if (type.empty()) fail(name, str("has the unknown TensorFlow dtype ", entry.dtype));
    if (!entry.slices.empty()) fail(name, str("is a ", type, " in slices, which this version does not read"));
    static_cast<void>(place(name, entry));
    skipped_.emplace_back(name, type);
  }

  Piece place(std::string_view name, const TfBundleEntry& entry) {
    const size_t position = positions_.at(entry.shard);
    const auto& [path, mapped] = out_.files[position];
    const uint64_t all = mapped->bytes().size();
    if (entry.offset > all || entry.size_bytes > all - entry.offset)
      fail(name, str("takes ", entry.size_bytes, " bytes at byte ", entry.offset, " of ", path.filename(),
                     ", which has ", all, ": it was cut short, download it again"));
    const Piece piece{.file = position, .offset = entry.offset, .size_bytes = entry.size_bytes, .crc = entry.crc};
    if (piece.size_bytes > 0) extents_.push_back(piece);
    return piece;
  }

  void check_size(std::string_view name, const Piece& piece, DataType dtype, std::span<const int64_t> shape) const {
    const auto needed = byte_count(dtype, shape);
    if (!needed || static_cast<uint64_t>(*needed) != piece.size_bytes)
      fail(name, str("has ", piece.size_bytes, " bytes of data, ", info(dtype).name, " of shape ", shape, " takes ",
                     needed.value_or(0)));
  }

  // Slices side by side along one axis, as every partitioner of TensorFlow cuts them, that cover the whole.
  void add_slices(Tensor& tensor, const TfBundleEntry& whole) {
    const auto& name = tensor.entry.name;
    tensor.axis = find_axis(name, whole);
    for (const auto& slice : whole.slices) tensor.pieces.push_back(find_slice(tensor, whole, slice));
    std::stable_sort(tensor.pieces.begin(), tensor.pieces.end(), [](const Piece& a, const Piece& b) {
      return std::pair(a.start, a.length) < std::pair(b.start, b.length);
    });
    int64_t end = 0;
    for (const auto& piece : tensor.pieces) {
      if (piece.start != end) fail(name, str("is saved in slices with a gap or an overlap at ", end));
      end += piece.length;
    }
    if (end != whole.shape[tensor.axis])
      fail(name, str("is saved in slices up to ", end, " of ", whole.shape[tensor.axis]));
  }

  size_t find_axis(std::string_view name, const TfBundleEntry& whole) const {
    const auto& shape = whole.shape;
    std::optional<size_t> axis;
    for (const auto& slice : whole.slices) {
      if (slice.size() != shape.size())
        fail(name, str("has ", shape.size(), " dimensions and a slice of ", slice.size()));
      for (size_t i = 0; i < shape.size(); ++i) {
        const auto& [start, length] = slice[i];
        const int64_t extent = length.value_or(shape[i]);
        if (start > shape[i] || extent > shape[i] - start) fail(name, "has a slice that reaches beyond it");
        if (extent == shape[i]) continue;
        if (axis.value_or(i) != i)
          fail(name, "is saved in slices along several axes, which this version does not read: save it whole");
        axis = i;
      }
    }
    return axis.value_or(0);
  }

  Piece find_slice(const Tensor& tensor, const TfBundleEntry& whole, const TfSlice& slice) {
    const auto& name = tensor.entry.name;
    const auto found = index_.slices.find(detail::slice_key(name, slice));
    if (found == index_.slices.end()) fail(name, "lists a slice that the index does not hold");
    if (!used_slices_.insert(found->first).second) fail(name, "lists a slice twice");
    const auto& part = found->second;
    auto shape = whole.shape;
    shape[tensor.axis] = slice[tensor.axis].length.value_or(shape[tensor.axis]);
    if (part.dtype != whole.dtype || part.shape != shape || !part.slices.empty())
      fail(name, str("has a slice of another dtype or of the shape ", part.shape, ", expected ", shape));
    auto piece = place(name, part);
    check_size(name, piece, tensor.entry.dtype, shape);
    piece.start = slice[tensor.axis].start;
    piece.length = shape[tensor.axis];
    return piece;
  }

  // Gaps are allowed: a writer may align tensors.
  void check_overlaps() {
    std::sort(extents_.begin(), extents_.end(),
              [](const Piece& a, const Piece& b) { return std::pair(a.file, a.offset) < std::pair(b.file, b.offset); });
    for (size_t i = 1; i < extents_.size(); ++i) {
      const auto &before = extents_[i - 1], &piece = extents_[i];
      if (piece.file == before.file && piece.offset < before.offset + before.size_bytes)
        fail(str("two variables overlap at byte ", piece.offset, " of ", out_.files[piece.file].path.filename()));
    }
  }

  const fs::path& file_;
  const detail::TfBundleIndex index_;
  Bundle out_;
  std::map<int64_t, size_t> positions_;  // shard → index into files
  std::vector<Piece> extents_;
  std::unordered_set<std::string_view> used_slices_;  // views into index_
  Json::Object skipped_;
};

class TfBundleReader final : public CheckpointReader {
 public:
  explicit TfBundleReader(Bundle bundle) : metadata_(std::move(bundle.metadata)) {
    for (auto& file : bundle.files) {
      files_.push_back(std::move(file.path));
      mapped_.push_back(std::move(file.mapped));
    }
    for (auto& tensor : bundle.tensors) {
      entries_.push_back(std::move(tensor.entry));
      layouts_.push_back({.pieces = std::move(tensor.pieces), .axis = tensor.axis});
    }
    for (size_t i = 0; i < entries_.size(); ++i) by_name_.emplace(entries_[i].name, i);
  }

  std::span<const CheckpointEntry> entries() const override { return entries_; }
  const CheckpointEntry* find(std::string_view name) const override {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : &entries_[found->second];
  }
  SharedBytes bytes(const CheckpointEntry& entry) const override {
    const auto& layout = layout_of(entry);
    if (layout.pieces.size() > 1) return join_slices(entry, layout);
    return {.bytes = view(layout.pieces[0]), .owner = mapped_[layout.pieces[0].file]};
  }
  Integrity verify(const CheckpointEntry& entry) const override {
    const auto& pieces = layout_of(entry).pieces;
    const bool is_intact = std::all_of(pieces.begin(), pieces.end(), [&](const Piece& piece) {
      return detail::masked_crc(detail::crc32c(view(piece))) == piece.crc;
    });
    return is_intact ? Integrity::Intact : Integrity::Damaged;
  }
  void advise(const CheckpointEntry& entry, Advice advice) const override {
    for (const auto& piece : layout_of(entry).pieces) mapped_[piece.file]->advise(view(piece), advice);
  }
  std::span<const fs::path> files() const override { return files_; }
  const Json& metadata() const override { return metadata_; }
  std::string_view dialect() const override { return tf_bundle_format.dialect; }

 private:
  struct Layout {
    std::vector<Piece> pieces = {};
    size_t axis = 0;
  };

  const Layout& layout_of(const CheckpointEntry& entry) const {
    const auto found = by_name_.find(entry.name);
    if (found == by_name_.end() || entries_[found->second].size_bytes != entry.size_bytes)
      throw ValueError(str("the entry ", quote(entry.name), " is not one of this reader"));
    return layouts_[found->second];
  }

  std::span<const std::byte> view(const Piece& piece) const {
    return mapped_[piece.file]->bytes().subspan(piece.offset, piece.size_bytes);
  }

  // A slice along an inner axis holds a part of each row of what lies outside that axis.
  SharedBytes join_slices(const CheckpointEntry& entry, const Layout& layout) const {
    const auto out = std::make_shared<std::vector<std::byte>>(entry.size_bytes);
    if (out->empty()) return {.bytes = *out, .owner = out};
    uint64_t rows = 1;
    for (size_t i = 0; i < layout.axis; ++i) rows *= static_cast<uint64_t>(entry.shape[i]);
    const uint64_t row_bytes = entry.size_bytes / rows;
    std::byte* to = out->data();
    for (const auto& piece : layout.pieces) {
      if (piece.size_bytes == 0) continue;
      const auto from = view(piece);
      const uint64_t part_bytes = piece.size_bytes / rows;
      for (uint64_t row = 0; row < rows; ++row)
        std::memcpy(to + row * row_bytes, from.data() + row * part_bytes, part_bytes);
      to += part_bytes;
    }
    return {.bytes = *out, .owner = out};
  }

  std::vector<fs::path> files_;
  std::vector<std::shared_ptr<const MappedFile>> mapped_;
  std::vector<CheckpointEntry> entries_;
  std::vector<Layout> layouts_;                           // of entries_
  std::unordered_map<std::string_view, size_t> by_name_;  // views into entries_
  Json metadata_;
};

fs::path index_beside(const fs::path& file) { return fs::path(file).replace_extension(".index"); }

// `<prefix>.data-00000-of-00001` and `<prefix>.meta`, which lie beside the index.
bool is_companion(const fs::path& file) {
  const auto extension = file.extension().native();
  if (extension == ".meta") return fs::exists(index_beside(file));
  return extension.starts_with(".data-") && extension.find("-of-") != std::string::npos;
}

// By its name, or by its end, which only a look into the file shows: format V1 has no extension of its own.
bool matches(std::span<const std::byte> /*head*/, const fs::path& file) {
  return file.extension() == ".index" || is_companion(file) || detail::is_tf_table(MappedFile::open(file)->bytes());
}

std::unique_ptr<CheckpointReader> open_tf_bundle(const fs::path& file) {
  if (is_companion(file))
    throw OSError(
        str(file, ": is a part of a TensorFlow checkpoint: open ", index_beside(file).filename(), " beside it"));
  const auto mapped = detail::map_weights(file);
  auto index = detail::parse_tf_bundle_index(mapped->bytes(), file);
  if (file.extension() != ".index")
    throw OSError(str(file,
                      ": is the index of a TensorFlow checkpoint, but is not called so: its data files have its "
                      "name with another ending, name it '….index' again"));
  return std::make_unique<TfBundleReader>(BundleBuilder(file, std::move(index)).build());
}

}  // namespace

constinit const CheckpointFormat tf_bundle_format{
    .name = "tf_bundle",
    .extension = ".index",
    .dialect = "tensorflow",
    .matches = matches,
    .open = open_tf_bundle,
    .write = write_tf_bundle,
};

}  // namespace transformers
