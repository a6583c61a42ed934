#include "transformers/checkpoint/detail/tf_table.h"

#include <algorithm>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/detail/crc32c.h"
#include "transformers/checkpoint/detail/snappy.h"
#include "transformers/checkpoint/detail/varint.h"

namespace transformers::detail {
namespace {

constexpr std::string_view kMagic("\x57\xfb\x80\x8b\x24\x75\x47\xdb", 8);
constexpr uint64_t kFooterBytes = 48;  // two handles, padding, magic
constexpr uint64_t kTrailerBytes = 5;  // of a block: how it is compressed, its checksum
constexpr char kPlain = 0, kSnappy = 1;
constexpr uint64_t kMostKeyBytes = 65536;
// A pair may borrow the front of its key from the one before, so few bytes could announce many keys of great length.
// Writers begin every 16th key anew, which bounds what honest tables gain.
constexpr uint64_t kMostKeyExpansion = 16;

uint32_t read_fixed32(std::string_view from) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value |= uint32_t{static_cast<uint8_t>(from[i])} << (8 * i);
  return value;
}

uint32_t block_crc(std::string_view block_and_type) {
  return masked_crc(crc32c(std::as_bytes(std::span(block_and_type.data(), block_and_type.size()))));
}

struct Handle {
  uint64_t offset = 0, size_bytes = 0;
};

// The key that was read last, in the index of blocks or in the blocks together.
struct Cursor {
  std::string key = {};
  bool has_key = false;
};

class TableReader {
 public:
  TableReader(std::string_view bytes, const std::filesystem::path& file) : bytes_(bytes), file_(file) {}

  void walk(const TfTableVisitor& visit) {
    const Handle index = read_footer();
    Cursor index_cursor, cursor;
    walk_block(index, index_cursor, [&](std::string_view, std::string_view value) {
      const Handle handle = take_handle(value, "the index of blocks");
      // Blocks in turn, each once: an index could else make a small file long to read.
      if (handle.offset < end_of_last_) fail(handle.offset, "a block overlaps the one before it");
      walk_block(handle, cursor, visit);
      end_of_last_ = handle.offset + handle.size_bytes;
    });
  }

 private:
  [[noreturn]] void fail(uint64_t at, std::string_view reason) const {
    throw OSError(str(file_, ": ", reason, ", at byte ", at, ": it is damaged, download it again"));
  }

  Handle read_footer() const {
    if (bytes_.size() < kFooterBytes || !bytes_.ends_with(kMagic))
      throw OSError(str(file_, ": does not end as a TensorFlow index does: it is none, or it was cut short"));
    auto footer = bytes_.substr(bytes_.size() - kFooterBytes, kFooterBytes - kMagic.size());
    static_cast<void>(take_handle(footer, "the footer"));  // blocks of metadata, of which TensorFlow writes none
    return take_handle(footer, "the footer");
  }

  Handle take_handle(std::string_view& from, std::string_view what) const {
    const auto offset = take_varint(from), size = take_varint(from);
    const uint64_t room = bytes_.size() - kFooterBytes;
    if (!offset || !size || *offset > room || room - *offset < kTrailerBytes || *size > room - *offset - kTrailerBytes)
      throw OSError(str(file_, ": ", what, " names a block outside the file: it is damaged, download it again"));
    return {*offset, *size};
  }

  void walk_block(const Handle& handle, Cursor& cursor, const TfTableVisitor& visit) {
    const auto stored = bytes_.substr(handle.offset, handle.size_bytes + 1);
    if (block_crc(stored) != read_fixed32(bytes_.substr(handle.offset + handle.size_bytes + 1, 4)))
      fail(handle.offset, "a block of the index does not match its checksum");
    if (stored.back() == kPlain) return walk_pairs(stored.substr(0, handle.size_bytes), handle.offset, cursor, visit);
    if (stored.back() != kSnappy) fail(handle.offset, "a block is compressed in an unknown way");
    const auto expanded = expand_snappy(stored.substr(0, handle.size_bytes));
    if (!expanded) fail(handle.offset, "a block is no valid Snappy");
    walk_pairs(*expanded, handle.offset, cursor, visit);
  }

  // The restarts at the end serve binary search, which nobody does here.
  void walk_pairs(std::string_view block, uint64_t at, Cursor& cursor, const TfTableVisitor& visit) {
    if (block.size() < 4) fail(at, "a block has no end");
    const uint64_t restarts = read_fixed32(block.substr(block.size() - 4));
    if (restarts > (block.size() - 4) / 4) fail(at, "a block announces more restarts than it has");
    auto pairs = block.substr(0, block.size() - 4 - 4 * restarts);
    key_budget_ += kMostKeyExpansion * block.size();
    bool is_first = true;
    while (!pairs.empty()) {
      const auto shared = take_varint(pairs), own = take_varint(pairs), length = take_varint(pairs);
      if (!shared || !own || !length || *own > pairs.size() || *length > pairs.size() - *own ||
          *shared > (is_first ? 0 : cursor.key.size()))
        fail(at, "a pair of a block does not fit into it");
      check_key(cursor, *shared, pairs.substr(0, *own), at);
      cursor.key.resize(*shared);
      cursor.key += pairs.substr(0, *own);
      cursor.has_key = true;
      pairs.remove_prefix(*own);
      visit(cursor.key, pairs.substr(0, *length));
      pairs.remove_prefix(*length);
      is_first = false;
    }
  }

  void check_key(const Cursor& before, uint64_t shared, std::string_view own, uint64_t at) {
    const uint64_t size = shared + own.size();
    if (size > kMostKeyBytes) fail(at, str("a key has ", size, " bytes, at most ", kMostKeyBytes, " are allowed"));
    if (size > key_budget_) fail(at, "the keys take many times what the file holds");
    key_budget_ -= size;
    // What they share is equal, so the rest decides. The first key of a table may be empty.
    if (before.has_key && own <= std::string_view(before.key).substr(shared)) fail(at, "the keys do not ascend");
  }

  std::string_view bytes_;
  const std::filesystem::path& file_;
  uint64_t end_of_last_ = 0, key_budget_ = 0;
};

// The shortest text from `before` on that is below `after`, as LevelDB's comparator chooses it.
std::string separator_between(std::string_view before, std::string_view after) {
  const auto most = std::min(before.size(), after.size());
  const auto at = static_cast<size_t>(
      std::mismatch(before.begin(), before.begin() + static_cast<std::ptrdiff_t>(most), after.begin()).first -
      before.begin());
  std::string out(before);
  if (at == most) return out;
  const auto byte = static_cast<uint8_t>(before[at]);
  if (byte == 255 || byte + 1 >= static_cast<uint8_t>(after[at])) return out;
  out.resize(at + 1);
  ++out.back();
  return out;
}

std::string successor_of(std::string_view key) {
  std::string out(key);
  const auto at = key.find_first_not_of('\xff');
  if (at == std::string_view::npos) return out;
  out.resize(at + 1);
  ++out.back();
  return out;
}

constexpr size_t kBlockBytes = 256 << 10;
constexpr unsigned kRestartEvery = 16;

}  // namespace

bool is_tf_table(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return text.size() >= kFooterBytes && text.ends_with(kMagic);
}

void read_tf_table(std::span<const std::byte> bytes, const std::filesystem::path& file, const TfTableVisitor& visit) {
  TableReader({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, file).walk(visit);
}

void TfTableWriter::Block::add(std::string_view key, std::string_view value, unsigned restart_every) {
  size_t shared = 0;
  if (since_restart == restart_every) {
    restarts.push_back(static_cast<uint32_t>(bytes.size()));
    since_restart = 0;
  } else {
    while (shared < std::min(key.size(), last_key.size()) && key[shared] == last_key[shared]) ++shared;
  }
  append_varint(bytes, shared);
  append_varint(bytes, key.size() - shared);
  append_varint(bytes, value.size());
  bytes += key.substr(shared);
  bytes += value;
  last_key = key;
  ++since_restart;
}

std::string TfTableWriter::Block::finish() {
  for (const uint32_t restart : restarts) append_little_endian(bytes, restart, 4);
  append_little_endian(bytes, static_cast<uint32_t>(restarts.size()), 4);
  auto out = std::move(bytes);
  *this = {};
  return out;
}

void TfTableWriter::add(std::string_view key, std::string_view value) {
  if (data_.bytes.size() + 4 * data_.restarts.size() + 4 >= kBlockBytes)
    end_block(separator_between(data_.last_key, key));
  data_.add(key, value, kRestartEvery);
}

std::string TfTableWriter::append_block(Block& block) {
  auto bytes = block.finish();
  std::string handle;
  append_varint(handle, out_.size());
  append_varint(handle, bytes.size());
  bytes += kPlain;
  append_little_endian(bytes, block_crc(bytes), 4);
  out_ += bytes;
  return handle;
}

void TfTableWriter::end_block(std::string_view separator) {
  const auto handle = append_block(data_);
  index_.add(separator, handle, 1);
}

std::string TfTableWriter::finish() {
  if (!data_.bytes.empty()) end_block(successor_of(data_.last_key));
  Block metadata;
  std::string footer = append_block(metadata);
  footer += append_block(index_);
  footer.resize(kFooterBytes - kMagic.size(), '\0');
  return std::move(out_) + footer + std::string(kMagic);
}

}  // namespace transformers::detail
