#include "transformers/checkpoint/detail/tf_bundle_index.h"

#include <algorithm>
#include <bit>
#include <cstdio>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/detail/proto_reader.h"
#include "transformers/checkpoint/detail/tf_table.h"
#include "transformers/checkpoint/detail/varint.h"

namespace transformers::detail {
namespace {

namespace fs = std::filesystem;

struct TypeRow {
  int64_t number = 0;
  std::optional<DataType> type = {};
  std::string_view name = {};  // TensorFlow's, where we have no type
};

// tensorflow/core/framework/types.proto; a reference to a variable (number + 100) is never stored.
constexpr TypeRow kTypes[] = {
    {1, DataType::F32},
    {2, DataType::F64},
    {3, DataType::I32},
    {4, DataType::U8},
    {5, DataType::I16},
    {6, DataType::I8},
    {7, {}, "string"},
    {8, DataType::C64},
    {9, DataType::I64},
    {10, DataType::Bool},
    {11, {}, "qint8"},
    {12, {}, "quint8"},
    {13, {}, "qint32"},
    {14, DataType::BF16},
    {15, {}, "qint16"},
    {16, {}, "quint16"},
    {17, DataType::U16},
    {18, {}, "complex128"},
    {19, DataType::F16},
    {20, {}, "resource"},
    {21, {}, "variant"},
    {22, DataType::U32},
    {23, DataType::U64},
    {24, DataType::F8_E5M2},
    {25, DataType::F8_E4M3},
    {26, {}, "float8_e4m3fnuz"},
    {27, {}, "float8_e4m3b11fnuz"},
    {28, {}, "float8_e5m2fnuz"},
    {29, {}, "int4"},
    {30, {}, "uint4"},
    {31, {}, "int2"},
    {32, {}, "uint2"},
};

constexpr int64_t kMostShards = 99999;  // five digits of a file name
constexpr size_t kMostDims = 254;       // TensorFlow's own limit
constexpr int64_t kVersion = 1;         // of the format: what TensorFlow has written since 2016

class IndexParser {
 public:
  explicit IndexParser(const fs::path& file) : file_(file) {}

  void add(std::string_view key, std::string_view value) {
    if (!has_header_) {
      if (!key.empty()) fail("has no header: it is a table, but no TensorFlow checkpoint");
      read_header(value);
      has_header_ = true;
    } else if (key.front() == '\0') {
      out_.slices.emplace(key, read_entry(key, value));
    } else {
      if (!is_utf8(key) || key.find('\0') != std::string_view::npos)
        fail(str("has a variable whose name holds a NUL or is not UTF-8: ", quote(key)));
      out_.entries.emplace_back(key, read_entry(key, value));
    }
  }

  TfBundleIndex finish() {
    if (!has_header_) fail("is empty: it is no TensorFlow checkpoint");
    return std::move(out_);
  }

 private:
  [[noreturn]] void fail(std::string_view reason) const { throw OSError(str(file_, ": ", reason)); }

  void read_header(std::string_view value) {
    constexpr char kSavedSlices = 0x0a;  // first byte of the message that stands here in format V1
    if (value.starts_with(kSavedSlices))
      fail(
          "is a TensorFlow checkpoint of format V1 (one file), supported is V2 (.index and .data): restore it in "
          "TensorFlow and save it with tf.compat.v1.train.Saver(write_version=tf.compat.v1.train.SaverDef.V2)");
    ProtoReader in(value, file_, "the header");
    while (in.next()) {
      if (in.field() == 1) out_.header.num_shards = in.size();
      if (in.field() == 2 && in.varint() != 0)
        fail("is a big-endian TensorFlow checkpoint, supported are little-endian ones");
      if (in.field() == 3) read_version(in.message());
    }
    if (out_.header.num_shards < 1 || out_.header.num_shards > kMostShards)
      fail(str("announces ", out_.header.num_shards, " data files, expected 1 to ", kMostShards));
  }

  void read_version(ProtoReader in) {
    while (in.next()) {
      if (in.field() == 1) out_.header.producer = in.size();
      if (in.field() == 2 && in.size() > kVersion)
        fail(str("needs a reader of version ", in.size(), " of the format, this one reads ", kVersion));
    }
  }

  TfBundleEntry read_entry(std::string_view key, std::string_view value) const {
    TfBundleEntry entry;
    ProtoReader in(value, file_, key);
    while (in.next()) {
      switch (in.field()) {
        case 1: entry.dtype = in.size(); break;
        case 2: read_shape(in.message(), entry.shape); break;
        case 3: entry.shard = in.size(); break;
        case 4: entry.offset = static_cast<uint64_t>(in.size()); break;
        case 5: entry.size_bytes = static_cast<uint64_t>(in.size()); break;
        case 6: entry.crc = in.fixed32(); break;
        case 7: entry.slices.push_back(read_slice(in.message())); break;
        default: break;
      }
    }
    if (entry.shard >= out_.header.num_shards)
      in.fail(str("lies in data file ", entry.shard, " of ", out_.header.num_shards));
    return entry;
  }

  static void read_shape(ProtoReader in, std::vector<int64_t>& shape) {
    while (in.next()) {
      if (in.field() == 3 && in.varint() != 0) in.fail("has no known rank");
      if (in.field() != 2) continue;
      int64_t size = 0;
      for (ProtoReader dim = in.message(); dim.next();)
        if (dim.field() == 1) size = dim.size();
      if (shape.size() == kMostDims) in.fail(str("has more than ", kMostDims, " dimensions"));
      shape.push_back(size);
    }
  }

  static TfSlice read_slice(ProtoReader in) {
    TfSlice slice;
    while (in.next()) {
      if (in.field() != 1) continue;
      TfExtent extent;
      for (ProtoReader part = in.message(); part.next();) {
        if (part.field() == 1) extent.start = part.size();
        if (part.field() == 2) extent.length = part.size();
      }
      if (slice.size() == kMostDims) in.fail(str("has a slice of more than ", kMostDims, " dimensions"));
      slice.push_back(extent);
    }
    if (slice.empty()) in.fail("has a slice of no dimension");  // also bounds what a list of slices takes
    return slice;
  }

  const fs::path& file_;
  TfBundleIndex out_;
  bool has_header_ = false;
};

// Numbers in a form that sorts as bytes ("ordered code"): unsigned ones behind their length in bytes, signed ones
// behind as many set bits as they have bytes, the sign being the first.
void append_ordered(std::string& out, uint64_t value) {
  const int size = (64 - std::countl_zero(value) + 7) / 8;
  out += static_cast<char>(size);
  for (int i = size - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i));
}

void append_ordered_signed(std::string& out, int64_t value) {
  const uint64_t magnitude = static_cast<uint64_t>(value < 0 ? ~value : value);
  const int size = std::max(1, (64 - std::countl_zero(magnitude)) / 7 + 1);  // 7 bits a byte, one of them the sign
  std::string bytes;
  for (int i = size - 1; i >= 0; --i) bytes += i < 8 ? static_cast<char>(value >> (8 * i)) : value < 0 ? '\xff' : '\0';
  const unsigned mark = 0xffff0000U >> size;  // in its lower half: `size` set bits at the front of two bytes
  bytes[0] = static_cast<char>(bytes[0] ^ static_cast<char>(mark >> 8 & 255));
  if (size > 8) bytes[1] = static_cast<char>(bytes[1] ^ static_cast<char>(mark & 255));
  out += bytes;
}

void append_field(std::string& out, unsigned field, uint64_t value) {
  if (value == 0) return;
  append_varint(out, field << 3);
  append_varint(out, value);
}

void append_message(std::string& out, unsigned field, std::string_view message) {
  append_varint(out, field << 3 | 2);
  append_varint(out, message.size());
  out += message;
}

}  // namespace

std::optional<DataType> data_type_from_tensorflow(int64_t number) {
  for (const auto& row : kTypes)
    if (row.number == number) return row.type;
  return std::nullopt;
}

std::optional<int64_t> tensorflow_number(DataType type) {
  for (const auto& row : kTypes)
    if (row.type == type) return row.number;
  return std::nullopt;
}

std::string_view unheld_tensorflow_type(int64_t number) {
  for (const auto& row : kTypes)
    if (row.number == number) return row.name;
  return {};
}

TfBundleIndex parse_tf_bundle_index(std::span<const std::byte> bytes, const fs::path& file) {
  IndexParser parser(file);
  read_tf_table(bytes, file, [&](std::string_view key, std::string_view value) { parser.add(key, value); });
  return parser.finish();
}

std::string slice_key(std::string_view name, const TfSlice& slice) {
  std::string out;
  append_ordered(out, 0);
  for (const char c : name) {
    out += c;
    if (c == '\0') out += '\xff';
    if (c == '\xff') out += '\0';
  }
  out += std::string_view("\0\1", 2);
  append_ordered(out, slice.size());
  for (const auto& extent : slice) {
    append_ordered_signed(out, extent.start);
    append_ordered_signed(out, extent.length.value_or(-1));
  }
  return out;
}

std::string serialize(const TfBundleHeader& header) {
  std::string out, version;
  append_field(out, 1, static_cast<uint64_t>(header.num_shards));
  append_field(version, 1, static_cast<uint64_t>(header.producer));
  append_message(out, 3, version);
  return out;
}

std::string serialize(const TfBundleEntry& entry) {
  std::string out, shape;
  append_field(out, 1, static_cast<uint64_t>(entry.dtype));
  for (const int64_t size : entry.shape) {
    std::string dim;
    append_field(dim, 1, static_cast<uint64_t>(size));
    append_message(shape, 2, dim);
  }
  append_message(out, 2, shape);
  append_field(out, 3, static_cast<uint64_t>(entry.shard));
  append_field(out, 4, entry.offset);
  append_field(out, 5, entry.size_bytes);
  if (entry.crc != 0) {
    append_varint(out, 6 << 3 | 5);
    append_little_endian(out, entry.crc, 4);
  }
  return out;
}

fs::path tf_shard_path(const fs::path& index_file, int64_t shard, int64_t num_shards) {
  char suffix[48];
  std::snprintf(suffix, sizeof suffix, ".data-%05d-of-%05d", static_cast<int>(shard), static_cast<int>(num_shards));
  return fs::path(index_file).replace_extension().concat(suffix);
}

}  // namespace transformers::detail
