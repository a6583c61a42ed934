#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <unordered_set>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/detail/gguf_values.h"
#include "transformers/checkpoint/detail/write_entry.h"
#include "transformers/checkpoint/gguf.h"

namespace transformers {
namespace {

using namespace detail;  // the types of GGUF values

constexpr uint32_t kVersion = 3;
constexpr size_t kMostNameBytes = 63;  // llama.cpp refuses longer ones

// Keys whose type is another one than their value suggests: the readers of llama.cpp insist on it. For lists: the type
// of the elements.
struct FixedType {
  std::string_view suffix = {};
  GgufValueType type = kFloat32;
};
constexpr FixedType kFixedTypes[] = {
    {"split.no", kUint16},
    {"split.count", kUint16},
    {"split.tensors.count", kInt32},
    {"tokenizer.ggml.merges", kString},
    {"tokenizer.ggml.precompiled_charsmap", kUint8},
    {"tokenizer.ggml.scores", kFloat32},
    {"tokenizer.ggml.token_type", kInt32},
    {"tokenizer.ggml.tokens", kString},
    {".attention.clamp_kqv", kFloat32},
    {".attention.layer_norm_epsilon", kFloat32},
    {".attention.layer_norm_rms_epsilon", kFloat32},
    {".attention.max_alibi_bias", kFloat32},
    {".attention.scale", kFloat32},
    {".expert_weights_scale", kFloat32},
    {".logit_scale", kFloat32},
    {".rope.freq_base", kFloat32},
    {".rope.scale_linear", kFloat32},
    {".rope.scaling.attn_factor", kFloat32},
    {".rope.scaling.factor", kFloat32},
    {".rope.scaling.yarn_attn_factor", kFloat32},
    {".rope.scaling.yarn_beta_fast", kFloat32},
    {".rope.scaling.yarn_beta_slow", kFloat32},
    {".rope.scaling.yarn_ext_factor", kFloat32},
};

bool fits_float(double value) {
  return !std::isfinite(value) || std::fabs(value) <= static_cast<double>(std::numeric_limits<float>::max());
}

struct IntRange {
  GgufValueType type;
  int64_t least, most;
};
// In order of preference: for a value by itself, and for the elements of a list.
constexpr IntRange kScalars[] = {
    {kUint32, 0, UINT32_MAX}, {kInt32, INT32_MIN, INT32_MAX}, {kUint64, 0, INT64_MAX}, {kInt64, INT64_MIN, INT64_MAX}};
constexpr IntRange kElements[] = {
    {kInt32, INT32_MIN, INT32_MAX}, {kUint32, 0, UINT32_MAX}, {kInt64, INT64_MIN, INT64_MAX}};

class HeaderWriter {
 public:
  HeaderWriter(const std::filesystem::path& file, std::string& out) : file_(file), out_(out) {}

  template <class T>
  void number(T value) {
    out_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void text(std::string_view value) {
    number<uint64_t>(value.size());
    out_ += value;
  }

  void pair(const std::string& key, const Json& value) {
    key_ = key;
    const bool is_text = detail::is_plain_text(key);
    if (key.empty() || key.size() > kGgufMostKeyBytes || !is_text)
      fail("a key is UTF-8 of 1 to 65535 bytes without NUL");
    text(key);
    const auto type = type_of(value);
    number<uint32_t>(type);
    value_of(type, value, 0);
  }

 private:
  [[noreturn]] void fail(const std::string& reason) const {
    throw ValueError(str(file_, ": the metadata ", quote(key_), " cannot be written: ", reason));
  }

  [[nodiscard]] const GgufValueType* fixed() const {
    for (const auto& row : kFixedTypes)
      if (row.suffix.starts_with('.') ? key_.ends_with(row.suffix) : key_ == row.suffix) return &row.type;
    return nullptr;
  }

  // The first type that holds all of them.
  [[nodiscard]] GgufValueType type_of_ints(std::span<const IntRange> choices, std::span<const Json> values) const {
    for (const auto& range : choices) {
      bool fits = true;
      for (const auto& value : values) fits &= value.as_int() >= range.least && value.as_int() <= range.most;
      if (fits) return range.type;
    }
    return kInt64;
  }

  [[nodiscard]] GgufValueType type_of(const Json& value) const {
    if (value.is_array()) return kArray;
    if (const auto* type = fixed()) return *type;
    if (value.is_bool()) return kBool;
    if (value.is_string()) return kString;
    if (value.is_int()) return type_of_ints(kScalars, {&value, 1});
    if (value.is_double()) return fits_float(value.as_double()) ? kFloat32 : kFloat64;
    fail(str("it is a ", value.type_name(), ", expected a number, a bool, a string or a list"));
  }

  // Lists are of one type; integers among floating numbers count as those.
  [[nodiscard]] GgufValueType type_of_elements(const Json::Array& list) const {
    if (list.empty() || !list[0].is_array())
      if (const auto* type = fixed()) return *type;
    if (list.empty()) return kInt32;
    size_t ints = 0, numbers = 0, strings = 0, bools = 0, lists = 0;
    bool fits = true;
    for (const auto& value : list) {
      ints += value.is_int();
      numbers += value.is_number();
      strings += value.is_string();
      bools += value.is_bool();
      lists += value.is_array();
      if (value.is_double()) fits &= fits_float(value.as_double());
    }
    if (ints == list.size()) return type_of_ints(kElements, list);
    if (numbers == list.size()) return fits ? kFloat32 : kFloat64;
    if (strings == list.size()) return kString;
    if (bools == list.size()) return kBool;
    if (lists == list.size()) return kArray;
    fail("it is a list of several types, expected all numbers, all bools, all strings or all lists");
  }

  void list_of(const Json& value, int depth) {
    if (depth > kGgufMostArrayDepth) fail(str("it nests lists deeper than ", kGgufMostArrayDepth, " levels"));
    const auto& list = value.as_array();
    const auto type = type_of_elements(list);
    number<uint32_t>(type);
    number<uint64_t>(list.size());
    for (const auto& element : list) value_of(type, element, depth);
  }

  template <class T>
  void integer(const Json& value) {
    const int64_t wide = value.is_int() ? value.as_int() : 0;
    if (!value.is_int() || !std::in_range<T>(wide))
      fail(str("it holds ", value.dump(), ", expected an integer from ", std::numeric_limits<T>::min(), " to ",
               std::numeric_limits<T>::max()));
    number(static_cast<T>(wide));
  }

  [[nodiscard]] double floating(const Json& value) const {
    if (!value.is_number()) fail(str("it is a ", value.type_name(), ", expected a number"));
    return value.as_double();
  }

  void value_of(GgufValueType type, const Json& value, int depth) {
    switch (type) {
      case kUint8: return integer<uint8_t>(value);
      case kUint16: return integer<uint16_t>(value);
      case kUint32: return integer<uint32_t>(value);
      case kInt32: return integer<int32_t>(value);
      case kUint64: return integer<uint64_t>(value);
      case kInt64: return integer<int64_t>(value);
      case kFloat32: return number(static_cast<float>(floating(value)));
      case kFloat64: return number(floating(value));
      case kBool: return number<uint8_t>(value.as_bool() ? 1 : 0);
      case kArray: return list_of(value, depth + 1);
      default: break;  // kString; no rule chooses the others
    }
    if (!value.is_string()) fail(str("it is a ", value.type_name(), ", expected a string"));
    text(value.as_string());
  }

  const std::filesystem::path& file_;
  std::string& out_;
  std::string_view key_ = {};
};

void check_entry(const std::filesystem::path& file, const CheckpointWriteEntry& entry) {
  const auto fail = [&](const std::string& reason) {
    throw ValueError(str(file, ": the tensor ", quote(entry.name), " cannot be written: ", reason));
  };
  const DataTypeInfo& type = info(entry.dtype);
  if (entry.name.empty() || entry.name.size() > kMostNameBytes || !detail::is_plain_text(entry.name))
    fail(str("names in GGUF are UTF-8 of 1 to ", kMostNameBytes, " bytes without NUL; rename it as llama.cpp does"));
  if (type.gguf < 0) fail(str("GGUF cannot hold ", type.name, "; convert it to a float type"));
  if (entry.shape.size() > kGgufMostDims)
    fail(str("it has ", entry.shape.size(), " dimensions, at most 4 are allowed"));
  if (!byte_count(entry.dtype, entry.shape))
    fail(str("the shape ", entry.shape, " overflows or its rows are no whole ", type.name, " blocks of ",
             type.block_elements));
}

uint64_t aligned(uint64_t offset, uint64_t alignment) { return (offset + alignment - 1) / alignment * alignment; }

uint64_t size_of(const CheckpointWriteEntry& entry) {
  return static_cast<uint64_t>(byte_count(entry.dtype, entry.shape).value());
}

uint64_t alignment_of(const std::filesystem::path& file, const Json& metadata) {
  const Json* value = metadata.find("general.alignment");
  if (!value) return kGgufDefaultAlignment;
  const int64_t found = value->is_int() ? value->as_int() : 0;
  if (found <= 0 || static_cast<uint64_t>(found) > kGgufMostAlignment ||
      !std::has_single_bit(static_cast<uint64_t>(found)))
    throw ValueError(str(file, ": the metadata 'general.alignment' is ", value->dump(),
                         ", expected a power of two up to ", kGgufMostAlignment));
  return static_cast<uint64_t>(found);
}

std::string make_header(const std::filesystem::path& file, std::span<const CheckpointWriteEntry> entries,
                        const Json& metadata, uint64_t alignment) {
  std::string out;
  HeaderWriter header(file, out);
  header.number(kGgufMagic);
  header.number(kVersion);
  header.number<uint64_t>(entries.size());
  header.number<uint64_t>(metadata.size());
  std::unordered_set<std::string_view> keys, names;
  for (const auto& [key, value] : metadata.as_object()) {
    if (!keys.insert(key).second) throw ValueError(str(file, ": the metadata ", quote(key), " is given twice"));
    header.pair(key, value);
  }
  uint64_t offset = 0;
  for (const auto& entry : entries) {
    check_entry(file, entry);
    if (!names.insert(entry.name).second)
      throw ValueError(str(file, ": a tensor cannot be called ", quote(entry.name), ": the name is taken"));
    header.text(entry.name);
    header.number(static_cast<uint32_t>(entry.shape.size()));
    for (auto dim = entry.shape.rbegin(); dim != entry.shape.rend(); ++dim)
      header.number<uint64_t>(static_cast<uint64_t>(*dim));
    header.number(static_cast<uint32_t>(info(entry.dtype).gguf));
    header.number(offset);
    if (__builtin_add_overflow(offset, size_of(entry) + alignment, &offset) || offset > INT64_MAX)
      throw ValueError(str(file, ": the tensors take more than 2^63 bytes"));
    offset = aligned(offset - alignment, alignment);
  }
  return out;
}

}  // namespace

void write_gguf(const std::filesystem::path& file, std::span<const CheckpointWriteEntry> entries,
                const Json& metadata) {
  const uint64_t alignment = alignment_of(file, metadata);
  const std::string header = make_header(file, entries, metadata, alignment);
  const std::string zeros(alignment, '\0');
  const auto pad = [&](AtomicFile& out, uint64_t size) {
    out.write(std::string_view(zeros).substr(0, aligned(size, alignment) - size));
  };
  AtomicFile out(file);
  out.write(header);
  pad(out, header.size());
  for (const auto& entry : entries) {
    const auto data = detail::entry_bytes(file, entry);
    out.write(data.bytes);
    pad(out, data.bytes.size());
  }
  out.commit();
}

}  // namespace transformers
