#include "transformers/checkpoint/gguf.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <unordered_set>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/detail/byte_reader.h"
#include "transformers/checkpoint/detail/gguf_values.h"
#include "transformers/checkpoint/detail/mapped_reader.h"

namespace transformers {
namespace {

using namespace detail;  // the types of GGUF values

// Which bound counts the elements of a list of this type.
struct ListBound {
  uint64_t most = 0;
  std::string_view what = {};
};
constexpr ListBound kListBounds[] = {{kGgufMostNarrow, "bools and numbers of one or two bytes"},
                                     {kGgufMostWide, "numbers"},
                                     {kGgufMostOther, "elements"}};
size_t bound_of(uint32_t type) {
  if (type == kString || type == kArray) return 2;
  return kGgufLeastBytes[type] <= 2 ? 0 : 1;
}

class GgufParser {
 public:
  explicit GgufParser(const MappedFile& mapped) : file_(mapped.path()), bytes_(mapped.bytes()), in_(bytes_, file_) {}

  Json parse_metadata() {
    const auto magic = in_.read<uint32_t>("the magic number");
    if (magic != kGgufMagic) fail("does not begin with 'GGUF': this is not a GGUF file");
    check_version(in_.read<uint32_t>("the version"));
    constexpr uint64_t kLeastTensorBytes = 8 + 4 + 4 + 8, kLeastPairBytes = 8 + 4 + 1;
    const auto tensors = in_.read<uint64_t>("the number of tensors");
    const auto announced = in_.read<uint64_t>("the number of metadata pairs");
    tensors_ = in_.checked_count(tensors, kLeastTensorBytes, "tensors");
    const auto pairs = in_.checked_count(announced, kLeastPairBytes, "metadata pairs");
    Json::Object out;
    std::unordered_set<std::string_view> keys;  // views into the mapping
    for (uint64_t i = 0; i < pairs; ++i) {
      const auto key = read_name("a metadata key");
      if (!keys.insert(key).second) fail(str("the metadata key ", quote(key), " occurs twice"));
      key_ = key;
      out.emplace_back(std::string(key), read_value(in_.read<uint32_t>("a value type"), 0));
    }
    return out;
  }

  detail::ParsedCheckpoint parse() {
    detail::ParsedCheckpoint out{.metadata = parse_metadata()};
    check_not_split(out.metadata);
    const uint64_t alignment = read_alignment(out.metadata);
    std::unordered_set<std::string_view> names;
    for (uint64_t i = 0; i < tensors_; ++i) {
      const auto name = read_name("a tensor name");
      if (!names.insert(name).second) fail(str("the tensor ", quote(name), " occurs twice"));
      out.entries.push_back(read_tensor(name));
    }
    place(out.entries, alignment);
    return out;
  }

 private:
  [[noreturn]] void fail(std::string_view reason) const { throw OSError(str(file_, ": ", reason)); }

  void check_version(uint32_t version) const {
    if (version == 2 || version == 3) return;
    if (version == 1) fail("is GGUF version 1, supported are 2 and 3: convert the model again with current tools");
    const uint32_t swapped = __builtin_bswap32(version);
    if (swapped >= 1 && swapped <= 3) fail("is a big-endian GGUF file, supported are little-endian ones");
    fail(str("is GGUF version ", version, ", supported are 2 and 3"));
  }

  std::string_view read_name(std::string_view what) {
    const auto size = in_.read<uint64_t>(what);
    if (size > kGgufMostKeyBytes)
      fail(str(what, " at byte ", in_.position(), " has ", size, " bytes, at most 65535 are allowed"));
    const auto name = in_.text(size, what);
    if (name.empty() || name.find('\0') != std::string_view::npos || !is_utf8(name))
      fail(str(what, " at byte ", in_.position() - size, " is empty, holds a NUL or is not UTF-8: ", quote(name)));
    return name;
  }

  // Tokens may be any bytes, so strings are not checked for UTF-8.
  std::string_view read_string() { return in_.text(in_.read<uint64_t>("the length of a string"), "a string"); }

  bool read_bool() {
    const auto value = in_.read<uint8_t>("a bool");
    if (value > 1) fail(str("the metadata key ", quote(key_), " has the bool ", value, ", expected 0 or 1"));
    return value != 0;
  }

  template <class T>
  int64_t read_int() {
    return in_.read<T>("an integer");
  }

  Json read_value(uint32_t type, int depth) {
    switch (type) {
      case kUint8: return read_int<uint8_t>();
      case kInt8: return read_int<int8_t>();
      case kUint16: return read_int<uint16_t>();
      case kInt16: return read_int<int16_t>();
      case kUint32: return read_int<uint32_t>();
      case kInt32: return read_int<int32_t>();
      case kFloat32: return static_cast<double>(in_.read<float>("a float"));
      case kBool: return read_bool();
      case kString: return read_string();
      case kArray: return read_array(depth + 1);
      case kUint64: return in_.read<uint64_t>("an integer");
      case kInt64: return read_int<int64_t>();
      case kFloat64: return in_.read<double>("a float");
      default: fail(str("the metadata key ", quote(key_), " has the unknown value type ", type));
    }
  }

  Json read_array(int depth) {
    if (depth > kGgufMostArrayDepth)
      fail(str("the metadata key ", quote(key_), " nests lists deeper than ", kGgufMostArrayDepth, " levels"));
    const auto type = in_.read<uint32_t>("the type of a list");
    if (type >= kValueTypes) fail(str("the metadata key ", quote(key_), " is a list of the unknown value type ", type));
    const auto count =
        in_.checked_count(in_.read<uint64_t>("the length of a list"), kGgufLeastBytes[type], "list elements");
    const auto& bound = kListBounds[bound_of(type)];
    uint64_t& elements = elements_[bound_of(type)];
    if (count > bound.most - elements)
      fail(str("the metadata key ", quote(key_), " brings the lists to more than ", bound.most, " ", bound.what));
    elements += count;
    Json::Array out;
    out.reserve(count);
    for (uint64_t i = 0; i < count; ++i) out.push_back(read_value(type, depth));
    return out;
  }

  void check_not_split(const Json& metadata) const {
    const Json* parts = metadata.find("split.count");
    if (parts && parts->is_int() && parts->as_int() > 1)
      fail(str("is one of ", parts->as_int(),
               " parts of a split GGUF file, which this version does not read: merge them first"));
  }

  uint64_t read_alignment(const Json& metadata) const {
    const Json* value = metadata.find("general.alignment");
    if (!value) return kGgufDefaultAlignment;
    if (!value->is_int()) fail(str("'general.alignment' is a ", value->type_name(), ", expected an integer"));
    const int64_t alignment = value->as_int();
    if (alignment <= 0 || alignment > static_cast<int64_t>(kGgufMostAlignment) ||
        !std::has_single_bit(static_cast<uint64_t>(alignment)))
      fail(str("'general.alignment' is ", alignment, ", expected a power of two up to ", kGgufMostAlignment));
    return static_cast<uint64_t>(alignment);
  }

  CheckpointEntry read_tensor(std::string_view name) {
    CheckpointEntry entry{.name = std::string(name)};
    const auto dims = in_.read<uint32_t>("the number of dimensions");
    if (dims > kGgufMostDims)
      fail(str("the tensor ", quote(name), " has ", dims, " dimensions, at most 4 are allowed"));
    for (uint32_t i = 0; i < dims; ++i) {
      const auto dim = in_.read<uint64_t>("a dimension");
      if (dim > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
        fail(str("the tensor ", quote(name), " has a dimension of ", dim));
      entry.shape.insert(entry.shape.begin(), static_cast<int64_t>(dim));  // the file begins with the innermost
    }
    const auto type = in_.read<uint32_t>("a tensor type");
    const auto dtype = data_type_from_gguf(type);
    if (!dtype) fail(str("the tensor ", quote(name), " has the ggml type ", type, "; supported are ", known_types()));
    entry.dtype = *dtype;
    const auto size = byte_count(entry.dtype, entry.shape);
    if (!size)
      fail(str("the tensor ", quote(name), " has the shape ", entry.shape,
               ", whose size overflows or whose rows are no whole ", info(*dtype).name, " blocks of ",
               info(*dtype).block_elements));
    entry.size_bytes = static_cast<uint64_t>(*size);
    entry.offset = in_.read<uint64_t>("a tensor offset");
    return entry;
  }

  static std::string known_types() {
    std::string out;
    for (const auto& row : data_types())
      if (row.gguf >= 0) out += str(out.empty() ? "" : ", ", row.gguf, " (", row.name, ")");
    return out;
  }

  // Sorts by place, checks that the tensors lie in the file side by side, and makes their offsets absolute.
  void place(std::vector<CheckpointEntry>& entries, uint64_t alignment) const {
    if (entries.empty()) return;
    const uint64_t start = (in_.position() + alignment - 1) / alignment * alignment;  // both are below 2^63
    const uint64_t data_bytes = bytes_.size() > start ? bytes_.size() - start : 0;
    std::stable_sort(entries.begin(), entries.end(), [](const CheckpointEntry& a, const CheckpointEntry& b) {
      return std::pair(a.offset, a.size_bytes) < std::pair(b.offset, b.size_bytes);
    });
    uint64_t end = 0;
    for (auto& entry : entries) {
      if (entry.offset % alignment != 0)
        fail(str("the tensor ", quote(entry.name), " begins at byte ", entry.offset,
                 " of the data, which is not a multiple of ", alignment));
      if (entry.offset > data_bytes || entry.size_bytes > data_bytes - entry.offset)
        fail(str("the tensor ", quote(entry.name), " takes ", entry.size_bytes, " bytes at byte ", entry.offset,
                 " of the data, the file has ", data_bytes, " there: it was cut short, download it again"));
      if (entry.offset < end) fail(str("the tensor ", quote(entry.name), " overlaps the one before it"));
      end = entry.offset + entry.size_bytes;
      // A file without data may end before it is padded to where that would begin.
      entry.offset = std::min<uint64_t>(entry.offset + start, bytes_.size());
    }
  }

  const std::filesystem::path& file_;
  std::span<const std::byte> bytes_;
  ByteReader in_;
  std::string_view key_ = {};  // of the value being read, for messages
  uint64_t tensors_ = 0, elements_[std::size(kListBounds)] = {};
};

bool matches(std::span<const std::byte> head, const std::filesystem::path& file) {
  uint32_t magic = 0;
  if (head.size() >= sizeof magic) std::memcpy(&magic, head.data(), sizeof magic);
  return magic == kGgufMagic || file.extension() == ".gguf";
}

std::unique_ptr<CheckpointReader> open_gguf(const std::filesystem::path& file) {
  auto mapped = detail::map_weights(file);
  auto parsed = GgufParser(*mapped).parse();
  return detail::make_mapped_reader(std::move(mapped), std::move(parsed), "gguf");
}

}  // namespace

Json read_gguf_metadata(const std::filesystem::path& file) {
  const auto mapped = detail::map_weights(file);
  return GgufParser(*mapped).parse_metadata();
}

constinit const CheckpointFormat gguf_format{
    .name = "gguf",
    .extension = ".gguf",
    .dialect = "gguf",
    .matches = matches,
    .open = open_gguf,
    .write = write_gguf,
};

}  // namespace transformers
