#include <algorithm>

#include "transformers/base/error.h"
#include "transformers/base/ordered_map.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/detail/msgpack.h"
#include "transformers/checkpoint/detail/write_entry.h"
#include "transformers/checkpoint/flax.h"
#include "transformers/checkpoint/flax_names.h"

namespace transformers {
namespace {

struct Node {
  OrderedMap<std::string, std::unique_ptr<Node>> members = {};
  const CheckpointWriteEntry* leaf = nullptr;
};

class Writer {
 public:
  Writer(const std::filesystem::path& file, uint64_t most_chunk_bytes)
      : file_(file), most_chunk_bytes_(most_chunk_bytes) {}

  void write(std::span<const CheckpointWriteEntry> entries) {
    for (const auto& entry : entries) add(entry);
    AtomicFile out(file_);
    out_ = &out;
    write_node(root_);
    flush();
    out.commit();
  }

 private:
  [[noreturn]] void fail(const CheckpointWriteEntry& entry, std::string_view reason) const {
    throw ValueError(str(file_, ": ", quote(entry.name), " ", reason));
  }

  void add(const CheckpointWriteEntry& entry) {
    if (!detail::is_plain_text(entry.name)) fail(entry, "is not UTF-8 without NUL");
    if (info(entry.dtype).is_quantized) fail(entry, str("is ", info(entry.dtype).name, ", which Flax cannot hold"));
    static_cast<void>(detail::entry_size(file_, entry));
    const auto keys = detail::flax_keys(entry.name);
    if (keys.size() > detail::kFlaxMostDepth) fail(entry, str("has more than ", detail::kFlaxMostDepth, " levels"));
    Node* node = &root_;
    for (const auto& key : keys) {
      if (key == detail::kFlaxChunkedArray) fail(entry, "holds the key by which Flax knows arrays in pieces");
      if (node->leaf) fail(entry, str("lies below ", quote(node->leaf->name), ", which is a tensor"));
      if (!node->members.find(key)) node->members.set(key, std::make_unique<Node>());
      node = node->members.find(key)->get();
    }
    if (node->leaf || !node->members.empty()) fail(entry, "is taken: another tensor has this name or lies below it");
    node->leaf = &entry;
  }

  // NOLINTNEXTLINE(misc-no-recursion): as deep as a name has keys
  void write_node(const Node& node) {
    if (node.leaf) return write_leaf(*node.leaf);
    detail::append_msgpack_map(pending_, node.members.size());
    for (const auto& [key, member] : node.members) {
      detail::append_msgpack_text(pending_, key);
      write_node(*member);
    }
  }

  void write_leaf(const CheckpointWriteEntry& entry) {
    const auto data = detail::entry_bytes(file_, entry);
    if (data.bytes.size() > most_chunk_bytes_) return write_chunks(entry, data.bytes);
    write_array(entry.dtype, entry.shape, data.bytes);
  }

  void write_array(DataType dtype, std::span<const int64_t> shape, std::span<const std::byte> data) {
    std::string head;
    detail::append_msgpack_list(head, 3);
    detail::append_msgpack_list(head, shape.size());
    for (const int64_t dim : shape) detail::append_msgpack_int(head, dim);
    detail::append_msgpack_text(head, info(dtype).name);
    detail::append_msgpack_binary_head(head, data.size());
    detail::append_msgpack_extension_head(pending_, detail::kFlaxArray, head.size() + data.size());
    pending_ += head;
    append(data);
  }

  void write_chunks(const CheckpointWriteEntry& entry, std::span<const std::byte> data) {
    detail::append_msgpack_map(pending_, 3);
    detail::append_msgpack_text(pending_, detail::kFlaxChunkedArray);
    pending_ += '\xc3';  // true
    detail::append_msgpack_text(pending_, "shape");
    detail::append_msgpack_map(pending_, entry.shape.size());
    for (size_t i = 0; i < entry.shape.size(); ++i) {
      detail::append_msgpack_text(pending_, str(i));
      detail::append_msgpack_int(pending_, entry.shape[i]);
    }
    const auto width = static_cast<uint64_t>(info(entry.dtype).block_bytes);
    const uint64_t step = std::max<uint64_t>(1, most_chunk_bytes_ / width) * width;
    detail::append_msgpack_text(pending_, "chunks");
    detail::append_msgpack_map(pending_, (data.size() + step - 1) / step);
    for (uint64_t at = 0, i = 0; at < data.size(); at += step, ++i) {
      const auto chunk = data.subspan(at, std::min<uint64_t>(step, data.size() - at));
      const int64_t shape[] = {static_cast<int64_t>(chunk.size() / width)};
      detail::append_msgpack_text(pending_, str(i));
      write_array(entry.dtype, shape, chunk);
    }
  }

  // Heads and small tensors are collected: a system call for each would cost more than they do.
  void append(std::span<const std::byte> data) {
    constexpr size_t kCollected = 1 << 16;
    if (data.size() < kCollected) {
      pending_.append(reinterpret_cast<const char*>(data.data()), data.size());
      if (pending_.size() >= kCollected) flush();
    } else {
      flush();
      out_->write(data);
    }
  }

  void flush() {
    out_->write(pending_);
    pending_.clear();
  }

  const std::filesystem::path& file_;
  const uint64_t most_chunk_bytes_;
  Node root_;
  AtomicFile* out_ = nullptr;
  std::string pending_;
};

}  // namespace

void write_flax(const std::filesystem::path& file, std::span<const CheckpointWriteEntry> entries,
                uint64_t most_chunk_bytes) {
  Writer(file, most_chunk_bytes).write(entries);
}

}  // namespace transformers
