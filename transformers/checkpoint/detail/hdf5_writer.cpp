#include "transformers/checkpoint/detail/hdf5_writer.h"

#include <algorithm>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/detail/hdf5_types.h"
#include "transformers/checkpoint/detail/varint.h"
#include "transformers/checkpoint/detail/write_entry.h"

namespace transformers::detail {
namespace {

constexpr uint64_t kSuperblockBytes = 96, kDataAlignment = 64;
constexpr uint64_t kTreeRank = 16;                             // a tree node has up to 32 children
constexpr uint64_t kTreeBytes = 24 + (4 * kTreeRank + 1) * 8;  // with all of them
constexpr uint64_t kFreeListEnd = 1;

uint64_t rounded(uint64_t size, uint64_t to) { return (size + to - 1) / to * to; }

std::string message(uint16_t type, std::string content) {
  content.resize(rounded(content.size(), 8), '\0');
  std::string out;
  append_little_endian(out, type, 2);
  append_little_endian(out, content.size(), 2);
  append_little_endian(out, 0, 4);  // flags, reserved
  return out + content;
}

std::string dataspace(std::span<const int64_t> shape) {
  std::string out;
  append_little_endian(out, 1, 1);
  append_little_endian(out, shape.size(), 1);
  append_little_endian(out, 0, 6);
  for (const int64_t dim : shape) append_little_endian(out, static_cast<uint64_t>(dim), 8);
  return out;
}

std::string attribute_message(const Hdf5Attribute& attribute) {
  size_t width = 1;
  for (const auto& value : attribute.values) width = std::max(width, value.size());
  std::string type("\x13\1\0\0", 4), name = attribute.name + '\0', out;  // text padded with NULs
  append_little_endian(type, width, 4);
  const int64_t count[] = {static_cast<int64_t>(attribute.values.size())};
  const auto space = dataspace(attribute.is_list ? std::span<const int64_t>(count) : std::span<const int64_t>());
  append_little_endian(out, 1, 2);
  append_little_endian(out, name.size(), 2);
  append_little_endian(out, type.size(), 2);
  append_little_endian(out, space.size(), 2);
  for (auto part : {name, type, space}) {
    part.resize(rounded(part.size(), 8), '\0');
    out += part;
  }
  for (auto value : attribute.values) {
    value.resize(width, '\0');
    out += value;
  }
  return message(kHdf5AttributeMessage, std::move(out));
}

std::string object_header(std::string_view messages, size_t count, uint32_t names) {
  std::string out;
  append_little_endian(out, 1, 2);
  append_little_endian(out, count, 2);
  append_little_endian(out, names, 4);
  append_little_endian(out, messages.size(), 4);
  append_little_endian(out, 0, 4);
  return out + std::string(messages);
}

// Addresses are given to all structures in one walk; a second one writes them in the same order.
class Layout {
 public:
  Layout(const std::filesystem::path& file, Hdf5Node& root) : file_(file) {
    size_t most_members = 0;
    measure(root, most_members);
    // A tree of one level holds 32 nodes of names; with more names the nodes grow.
    node_rank_ = std::max<uint64_t>(4, (most_members + 4 * kTreeRank - 1) / (4 * kTreeRank));
    if (node_rank_ > 0xffff / 2) throw ValueError(str(file_, ": a group of ", most_members, " weights is too large"));
    place(root);
    data_start_ = rounded(end_, kDataAlignment);
    uint64_t at = data_start_;
    for (auto& placed : datasets_) {
      placed.address = placed.size == 0 ? kHdf5Undefined : at;
      if (__builtin_add_overflow(at, rounded(placed.size, kDataAlignment), &at))
        throw ValueError(str(file_, ": the tensors take more than 2^64 bytes"));
    }
    file_end_ = at;
  }

  void write(const Hdf5Node& root) {
    AtomicFile out(file_);
    std::string head = superblock();
    emit(root, head);
    head.resize(data_start_, '\0');
    out.write(head);
    const std::string zeros(kDataAlignment, '\0');
    for (const auto& placed : datasets_) {
      const auto& entry = *placed.node->data;
      out.write(entry_bytes(file_, entry).bytes);
      out.write(std::string_view(zeros).substr(0, rounded(placed.size, kDataAlignment) - placed.size));
    }
    out.commit();
  }

 private:
  struct Place {
    uint64_t header = 0, tree = 0, heap = 0, names = 0, nodes = 0;  // addresses
  };
  struct Placed {
    const Hdf5Node* node = nullptr;
    uint64_t size = 0, address = 0;
  };

  void check_data(const CheckpointWriteEntry& entry) {
    if (hdf5_number_message(entry.dtype).empty())
      throw ValueError(str(file_, ": ", quote(entry.name), " is ", info(entry.dtype).name,
                           ", which Keras cannot read: convert it to float32 first"));
    static_cast<void>(entry_size(file_, entry));
    if (entry.shape.size() > kHdf5MostRank)
      throw ValueError(str(file_, ": ", quote(entry.name), " has the impossible shape ", entry.shape));
  }

  // NOLINTNEXTLINE(misc-no-recursion): as deep as a name has parts
  void measure(const Hdf5Node& node, size_t& most_members) {
    if (node.link_to) return;
    if (node.data) check_data(*node.data);
    most_members = std::max(most_members, node.members.size());
    for (const auto& [name, member] : node.members) measure(*member, most_members);
  }

  uint64_t take(uint64_t size) {
    const uint64_t at = end_;
    end_ += rounded(size, 8);
    return at;
  }

  [[nodiscard]] uint64_t node_bytes() const { return 8 + 2 * node_rank_ * 40; }
  [[nodiscard]] uint64_t node_count(const Hdf5Node& group) const {
    return (group.members.size() + 2 * node_rank_ - 1) / (2 * node_rank_);
  }

  static std::string names_of(const Hdf5Node& group) {
    std::string out(8, '\0');
    for (const auto& [name, member] : group.members) {
      out += name;
      out.resize(rounded(out.size() + 1, 8), '\0');
    }
    return out;
  }

  // NOLINTNEXTLINE(misc-no-recursion)
  void place(const Hdf5Node& node) {
    if (node.link_to) return;
    Place& at = places_[&node];
    at.header = take(header(node).size());
    if (node.data) {
      const auto size = entry_size(file_, *node.data);
      data_index_[&node] = datasets_.size();
      datasets_.push_back({.node = &node, .size = size});
      return;
    }
    at.tree = take(kTreeBytes);
    at.heap = take(32);
    at.names = take(names_of(node).size());
    at.nodes = take(node_count(node) * node_bytes());
    for (const auto& [name, member] : node.members) place(*member);
  }

  [[nodiscard]] std::string header(const Hdf5Node& node) const {
    std::string out;
    size_t count = 0;
    const auto add = [&](const std::string& text) {
      out += text;
      ++count;
    };
    const Place& at = places_.at(&node);
    if (node.data) {
      add(message(kHdf5Dataspace, dataspace(node.data->shape)));
      add(message(kHdf5Datatype, hdf5_number_message(node.data->dtype)));
      add(message(kHdf5FillValue, std::string("\2\2\2\1\0\0\0\0", 8)));  // none: the data is there
      const auto placed = data_index_.find(&node);
      std::string layout("\3\1", 2);
      append_little_endian(layout, placed == data_index_.end() ? 0 : datasets_[placed->second].address, 8);
      append_little_endian(layout, placed == data_index_.end() ? 0 : datasets_[placed->second].size, 8);
      add(message(kHdf5Layout, layout));
    } else {
      std::string table;
      append_little_endian(table, at.tree, 8);
      append_little_endian(table, at.heap, 8);
      add(message(kHdf5SymbolTable, table));
    }
    for (const auto& attribute : node.attributes) add(attribute_message(attribute));
    return object_header(out, count, node.names);
  }

  [[nodiscard]] std::string superblock() const {
    std::string out("\x89HDF\r\n\x1a\n\0\0\0\0\0\x8\x8\0", 16);
    append_little_endian(out, node_rank_, 2);
    append_little_endian(out, kTreeRank, 2);
    append_little_endian(out, 0, 4 + 8);  // flags; base address
    append_little_endian(out, kHdf5Undefined, 8);
    append_little_endian(out, file_end_, 8);
    append_little_endian(out, kHdf5Undefined, 8);
    append_little_endian(out, 0, 8);
    append_little_endian(out, kSuperblockBytes, 8);  // the root's header comes first
    append_little_endian(out, 0, 24);
    return out;
  }

  static void append_at(std::string& out, uint64_t address, std::string_view text) {
    out.resize(address, '\0');
    out += text;
  }

  // NOLINTNEXTLINE(misc-no-recursion)
  void emit(const Hdf5Node& node, std::string& out) const {
    if (node.link_to) return;
    const Place& at = places_.at(&node);
    append_at(out, at.header, header(node));
    if (node.data) return;
    const auto names = names_of(node);
    append_at(out, at.tree, tree(node, at, names));
    append_at(out, at.heap, "HEAP");
    append_little_endian(out, 0, 4);
    append_little_endian(out, names.size(), 8);
    append_little_endian(out, kFreeListEnd, 8);
    append_little_endian(out, at.names, 8);
    append_at(out, at.names, names);
    emit_nodes(node, at, out);
    for (const auto& [name, member] : node.members) emit(*member, out);
  }

  // One level: between the addresses of the nodes stand the greatest names of the nodes before, as places in the heap.
  [[nodiscard]] std::string tree(const Hdf5Node& group, const Place& at, std::string_view) const {
    std::string out("TREE\0\0", 6);
    append_little_endian(out, node_count(group), 2);
    append_little_endian(out, kHdf5Undefined, 8);
    append_little_endian(out, kHdf5Undefined, 8);
    append_little_endian(out, 0, 8);
    uint64_t name_at = 8, last_at = 0, index = 0;
    for (const auto& [name, member] : group.members) {
      last_at = name_at;
      name_at = rounded(name_at + name.size() + 1, 8);
      if (++index % (2 * node_rank_) != 0 && index != group.members.size()) continue;
      append_little_endian(out, at.nodes + (index - 1) / (2 * node_rank_) * node_bytes(), 8);
      append_little_endian(out, last_at, 8);
    }
    out.resize(kTreeBytes, '\0');
    return out;
  }

  void emit_nodes(const Hdf5Node& group, const Place& at, std::string& out) const {
    uint64_t name_at = 8, index = 0;
    for (const auto& [name, member] : group.members) {
      if (index % (2 * node_rank_) == 0) {
        append_at(out, at.nodes + index / (2 * node_rank_) * node_bytes(), std::string_view("SNOD\1\0", 6));
        append_little_endian(out, std::min<uint64_t>(2 * node_rank_, group.members.size() - index), 2);
      }
      append_little_endian(out, name_at, 8);
      append_little_endian(out, places_.at(member->link_to ? member->link_to : member.get()).header, 8);
      append_little_endian(out, 0, 8);   // nothing cached, so the rest is
      append_little_endian(out, 0, 16);  // empty
      name_at = rounded(name_at + name.size() + 1, 8);
      ++index;
    }
    out.resize(at.nodes + node_count(group) * node_bytes(), '\0');
  }

  const std::filesystem::path& file_;
  uint64_t node_rank_ = 4, end_ = kSuperblockBytes, data_start_ = 0, file_end_ = 0;
  std::map<const Hdf5Node*, Place> places_;
  std::map<const Hdf5Node*, size_t> data_index_;
  std::vector<Placed> datasets_;
};

}  // namespace

Hdf5Node& Hdf5Node::make(std::string_view path) {
  Hdf5Node* node = this;
  for (const auto& part : split(path, '/')) {
    if (part.empty() || part == ".") throw ValueError(str(quote(path), " has an empty part, which HDF5 cannot hold"));
    if (node->data || node->link_to)
      throw ValueError(str(quote(path), " lies below ", quote((node->data ? node : node->link_to)->data->name),
                           ", which is a tensor"));
    auto& member = node->members[part];
    if (!member) member = std::make_unique<Hdf5Node>();
    node = member.get();
  }
  return *node;
}

void write_hdf5(const std::filesystem::path& file, Hdf5Node& root) { Layout(file, root).write(root); }

}  // namespace transformers::detail
