#include "transformers/checkpoint/detail/hdf5.h"

#include <algorithm>
#include <limits>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"

namespace transformers::detail {
namespace {

constexpr std::string_view kSignature = "\x89HDF\r\n\x1a\n";
constexpr size_t kMostBlocks = 4096;  // of one object header

}  // namespace

Hdf5File::Hdf5File(std::shared_ptr<const MappedFile> mapped) : mapped_(std::move(mapped)) {
  steps_left_ = 65536 + 2 * bytes().size();
  read_superblock();
}

void Hdf5File::fail(std::string_view reason) const { throw OSError(str(mapped_->path(), ": ", reason)); }

void Hdf5File::spend(uint64_t steps) {
  if (steps > steps_left_) fail("its parts refer to each other more often than a file of this size has reason to");
  steps_left_ -= steps;
}

// A reader of [offset, offset + size) whose messages count from the start of the file.
ByteReader Hdf5File::at(uint64_t offset, uint64_t size, std::string_view what) const {
  const auto all = bytes();
  if (offset > all.size() || size > all.size() - offset)
    fail(str(what, " of ", size, " bytes at byte ", offset, " lies outside of the file, which has ", all.size(),
             ": it was cut short or is damaged, download it again"));
  ByteReader out(all.first(offset + size), mapped_->path());
  static_cast<void>(out.take(offset, what));
  return out;
}

void Hdf5File::read_superblock() {
  constexpr std::string_view kWhat = "the superblock";
  auto in = at(0, std::min<uint64_t>(bytes().size(), 128), kWhat);
  if (in.text(std::min<uint64_t>(kSignature.size(), in.remaining()), kWhat) != kSignature)
    fail("does not begin as HDF5 does: it is no Keras file, or it is damaged");
  const auto version = in.read<uint8_t>(kWhat);
  if (version > 3) fail(str("has a superblock of version ", uint64_t{version}, ", 0 to 3 are known"));
  if (version < 2) static_cast<void>(in.take(4, kWhat));
  const auto offset_bytes = in.read<uint8_t>(kWhat), length_bytes = in.read<uint8_t>(kWhat);
  if (offset_bytes != 8 || length_bytes != 8)
    fail(str("has addresses of ", uint64_t{offset_bytes}, " and lengths of ", uint64_t{length_bytes},
             " bytes, expected 8 and 8"));
  static_cast<void>(in.take(version == 0 ? 9 : version == 1 ? 13 : 1, kWhat));
  const auto base = in.read<uint64_t>(kWhat);
  if (base != 0) fail(str("begins its addresses at byte ", base, ", expected 0"));
  static_cast<void>(in.read<uint64_t>(kWhat));  // free space or extension
  const auto end = in.read<uint64_t>(kWhat);
  if (end > bytes().size())
    fail(str("has ", bytes().size(), " bytes, its superblock expects ", end, ": it was cut short, download it again"));
  static_cast<void>(version < 2 ? in.take(16, kWhat) : in.take(0, kWhat));  // driver block, offset of the root's name
  root_ = in.read<uint64_t>(kWhat);
}

std::vector<Hdf5File::Message> Hdf5File::messages(uint64_t object) {
  constexpr std::string_view kWhat = "an object header";
  std::vector<Message> out;
  std::vector<Block> blocks;
  auto in = at(object, 12, kWhat);
  const bool is_new = in.text(4, kWhat) == "OHDR";
  bool has_order = false;
  if (is_new) {
    const auto version = in.read<uint8_t>(kWhat), flags = in.read<uint8_t>(kWhat);
    if (version != 2) fail(str("the object header at byte ", object, " is of version ", uint64_t{version}));
    const uint64_t times = flags & 32 ? 16 : 0, phases = flags & 16 ? 4 : 0, width = uint64_t{1} << (flags & 3);
    in = at(object + 6 + times + phases, width, kWhat);
    uint64_t size = 0;
    for (uint64_t i = 0; i < width; ++i) size |= uint64_t{in.read<uint8_t>(kWhat)} << (8 * i);
    has_order = (flags & 4) != 0;
    blocks.push_back({.offset = in.position(), .size = size});
  } else {
    in = at(object, 16, kWhat);
    if (in.read<uint8_t>(kWhat) != 1) fail(str("no object header is at byte ", object, ", where a link leads"));
    static_cast<void>(in.take(7, kWhat));
    blocks.push_back({.offset = object + 16, .size = in.read<uint32_t>(kWhat)});
  }
  for (size_t i = 0; i < blocks.size(); ++i) {
    if (i == kMostBlocks) fail(str("the object header at byte ", object, " has more than ", kMostBlocks, " blocks"));
    const Block block = blocks[i];
    read_block(block, is_new ? 2 : 1, has_order, out, blocks);
  }
  return out;
}

void Hdf5File::read_block(const Block& block, int version, bool has_order, std::vector<Message>& out,
                          std::vector<Block>& more) {
  constexpr std::string_view kWhat = "an object header";
  const uint64_t head_bytes = version == 1 ? 8 : has_order ? 6 : 4;
  auto in = at(block.offset, block.size, kWhat);
  while (in.remaining() >= head_bytes) {
    spend(4);
    Message message;
    message.type = version == 1 ? in.read<uint16_t>(kWhat) : in.read<uint8_t>(kWhat);
    message.size = in.read<uint16_t>(kWhat);
    message.is_shared = (in.read<uint8_t>(kWhat) & 2) != 0;
    static_cast<void>(in.take(head_bytes - (version == 1 ? 5 : 4), kWhat));
    message.offset = in.position();
    auto content = in;
    static_cast<void>(in.take(message.size, kWhat));
    if (message.type != kHdf5Continuation) {
      if (message.type != 0) out.push_back(message);
      continue;
    }
    Block next{.offset = content.read<uint64_t>(kWhat), .size = content.read<uint64_t>(kWhat)};
    if (version == 2) {
      if (next.size < 8 || at(next.offset, next.size, kWhat).text(4, kWhat) != "OCHK")
        fail(str("no block of an object header is at byte ", next.offset));
      next = {.offset = next.offset + 4, .size = next.size - 8};  // the checksum is at its end
    }
    more.push_back(next);
  }
}

const Hdf5File::Message* Hdf5File::find_message(std::span<const Message> messages, uint16_t type,
                                                std::string_view what) const {
  for (const auto& message : messages) {
    if (message.type != type) continue;
    if (message.is_shared) fail(str(what, " shares its description with another object, which is not supported"));
    return &message;
  }
  return nullptr;
}

bool Hdf5File::is_dataset(uint64_t object) {
  const auto found = messages(object);
  return std::any_of(found.begin(), found.end(), [](const Message& m) { return m.type == kHdf5Layout; });
}

const std::vector<Hdf5Link>& Hdf5File::links(uint64_t group) {
  const auto [it, is_new] = groups_.try_emplace(group);
  if (!is_new) return it->second;
  std::vector<Hdf5Link> out;
  for (const auto& message : messages(group)) {
    if (message.type == kHdf5LinkMessage) add_link(message, out);
    if (message.type == kHdf5LinkInfo) refuse_heap(message, 8, "links");
    if (message.type != kHdf5SymbolTable) continue;
    auto in = at(message.offset, message.size, "a symbol table");
    const auto tree = in.read<uint64_t>("a symbol table"), heap = in.read<uint64_t>("a symbol table");
    add_table_links(tree, heap, out);
  }
  return groups_[group] = std::move(out);
}

std::optional<uint64_t> Hdf5File::find(uint64_t group, std::string_view path) {
  uint64_t object = group;
  while (!path.empty()) {
    const auto part = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(path.size(), part.size() + 1));
    if (part.empty()) continue;  // as HDF5 reads "a//b"
    const auto& found = links(object);
    spend(1 + found.size() / 16);
    const auto link = std::find_if(found.begin(), found.end(), [&](const Hdf5Link& l) { return l.name == part; });
    if (link == found.end()) return std::nullopt;
    if (link->kind != Hdf5Link::Kind::Hard)
      fail(str(quote(part), " is a ", link->kind == Hdf5Link::Kind::Soft ? "soft" : "external",
               " link; links are not followed, because they may lead anywhere"));
    object = link->object;
  }
  return object;
}

void Hdf5File::add_link(const Message& message, std::vector<Hdf5Link>& out) {
  constexpr std::string_view kWhat = "a link";
  auto in = at(message.offset, message.size, kWhat);
  if (in.read<uint8_t>(kWhat) != 1) fail("has a link of an unknown version");
  const auto flags = in.read<uint8_t>(kWhat);
  const auto kind = flags & 8 ? in.read<uint8_t>(kWhat) : uint8_t{0};
  if (flags & 4) static_cast<void>(in.read<uint64_t>(kWhat));  // order of creation
  if (flags & 16) static_cast<void>(in.read<uint8_t>(kWhat));  // encoding of the name
  uint64_t size = 0;
  for (int i = 0; i < 1 << (flags & 3); ++i) size |= uint64_t{in.read<uint8_t>(kWhat)} << (8 * i);
  Hdf5Link link{.name = in.text(size, kWhat)};
  link.kind = kind == 0 ? Hdf5Link::Kind::Hard : kind == 1 ? Hdf5Link::Kind::Soft : Hdf5Link::Kind::External;
  if (kind == 0) link.object = in.read<uint64_t>(kWhat);
  out.push_back(link);
}

// Newer files move links or attributes, when they are many, into a structure that Keras 2 never writes.
void Hdf5File::refuse_heap(const Message& message, int order_bytes, std::string_view what) const {
  auto in = at(message.offset, message.size, what);
  static_cast<void>(in.read<uint8_t>(what));
  if (in.read<uint8_t>(what) & 1) static_cast<void>(in.take(static_cast<uint64_t>(order_bytes), what));
  if (in.read<uint64_t>(what) != kHdf5Undefined)
    fail(str("keeps its ", what, " in a fractal heap, which is not supported: save it with h5py's default libver"));
}

void Hdf5File::add_table_links(uint64_t tree, uint64_t heap, std::vector<Hdf5Link>& out) {
  constexpr std::string_view kWhat = "a heap of names";
  auto in = at(heap, 32, kWhat);
  if (in.text(4, kWhat) != "HEAP") fail(str("no heap of names is at byte ", heap));
  static_cast<void>(in.read<uint32_t>(kWhat));  // version
  const auto size = in.read<uint64_t>(kWhat);
  static_cast<void>(in.read<uint64_t>(kWhat));  // free list
  const auto names = at(in.read<uint64_t>(kWhat), size, kWhat).take(size, kWhat);
  add_tree_links(tree, -1, names, out);
}

// NOLINTNEXTLINE(misc-no-recursion): the level falls by one in each call
void Hdf5File::add_tree_links(uint64_t node, int level, std::span<const std::byte> names, std::vector<Hdf5Link>& out) {
  constexpr std::string_view kWhat = "a tree of names";
  auto in = at(node, 24, kWhat);
  if (in.text(4, kWhat) != "TREE" || in.read<uint8_t>(kWhat) != 0) fail(str("no tree of names is at byte ", node));
  const int found = in.read<uint8_t>(kWhat);
  if (level >= 0 && found != level) fail(str("the tree of names at byte ", node, " has the wrong level"));
  const uint64_t used = in.read<uint16_t>(kWhat);
  in = at(node + 24, 8 + 16 * used, kWhat);
  for (uint64_t i = 0; i < used; ++i) {
    spend(8);
    static_cast<void>(in.read<uint64_t>(kWhat));  // the greatest name of the child before
    const auto child = in.read<uint64_t>(kWhat);
    if (found == 0)
      add_node_links(child, names, out);
    else
      add_tree_links(child, found - 1, names, out);
  }
}

void Hdf5File::add_node_links(uint64_t node, std::span<const std::byte> names, std::vector<Hdf5Link>& out) {
  constexpr std::string_view kWhat = "a node of names";
  constexpr uint32_t kSoft = 2;
  auto in = at(node, 8, kWhat);
  if (in.text(4, kWhat) != "SNOD") fail(str("no node of names is at byte ", node));
  static_cast<void>(in.read<uint16_t>(kWhat));
  const uint64_t count = in.read<uint16_t>(kWhat);
  in = at(node + 8, 40 * count, kWhat);
  for (uint64_t i = 0; i < count; ++i) {
    const auto name_at = in.read<uint64_t>(kWhat);
    Hdf5Link link{.object = in.read<uint64_t>(kWhat)};
    if (in.read<uint32_t>(kWhat) == kSoft) link.kind = Hdf5Link::Kind::Soft;
    static_cast<void>(in.take(20, kWhat));
    if (name_at >= names.size()) fail(str("a name in the node at byte ", node, " lies outside of its heap"));
    const auto rest = names.subspan(name_at);
    const auto end = std::find(rest.begin(), rest.end(), std::byte{0});
    if (end == rest.end()) fail(str("a name in the node at byte ", node, " has no end"));
    link.name = {reinterpret_cast<const char*>(rest.data()), static_cast<size_t>(end - rest.begin())};
    spend(24 + link.name.size());
    out.push_back(link);
  }
}

}  // namespace transformers::detail
