#include "transformers/checkpoint/safetensors.h"

#include <simdjson.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <unordered_set>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/detail/mapped_reader.h"

namespace transformers {
namespace {

namespace dom = simdjson::dom;

constexpr uint64_t kLengthBytes = 8;
constexpr std::string_view kMetadata = "__metadata__";

uint64_t read_length(const std::byte* from) {
  uint64_t length = 0;
  std::memcpy(&length, from, sizeof length);
  return length;
}

// Walks simdjson's tape, not a Json: only there keys that occur twice are still to be seen, and 100,000 entries take no
// tree of small allocations.
class HeaderParser {
 public:
  explicit HeaderParser(const MappedFile& mapped) : file_(mapped.path()), bytes_(mapped.bytes()) {}

  detail::ParsedCheckpoint parse() {
    const std::string_view header = header_text();
    dom::parser parser;
    dom::object root;
    const auto code = parser.parse(header.data(), header.size()).get_object().get(root);
    if (code) fail(str("the header is not the JSON of safetensors: ", simdjson::error_message(code)));
    for (const auto [key, value] : root) parse_member(key, value);
    check_coverage(kLengthBytes + header.size());
    return std::move(out_);
  }

 private:
  [[noreturn]] void fail(std::string_view reason) const { throw OSError(str(file_, ": ", reason)); }

  [[noreturn]] void fail_entry(std::string_view name, std::string_view reason) const {
    fail(str("the header's entry ", quote(name), " ", reason));
  }

  void check(simdjson::error_code code, std::string_view name, std::string_view part, std::string_view expected) const {
    if (code) fail_entry(name, str("has a bad ", quote(part), ", expected ", expected));
  }

  std::string_view header_text() const {
    if (bytes_.size() < kLengthBytes)
      fail(str("has ", bytes_.size(), " bytes, too few for safetensors: it was cut short, download it again"));
    const uint64_t length = read_length(bytes_.data());
    if (length > kSafetensorsMostHeaderBytes)
      fail(str("the header length is ", length, ", more than the ", kSafetensorsMostHeaderBytes,
               " bytes allowed: this is not a safetensors file, or it is damaged"));
    if (length > bytes_.size() - kLengthBytes)
      fail(str("has ", bytes_.size(), " bytes, the header alone takes ", kLengthBytes + length,
               ": it was cut short, download it again"));
    const std::string_view header(reinterpret_cast<const char*>(bytes_.data()) + kLengthBytes, length);
    if (!header.starts_with('{')) fail("the header does not begin with '{': this is not a safetensors file");
    return header;
  }

  void parse_member(std::string_view name, dom::element value) {
    if (name.find('\0') != std::string_view::npos) fail_entry(name, "has a NUL in its name");
    if (!names_.insert(name).second) fail_entry(name, "occurs twice");
    if (name == kMetadata)
      parse_metadata(value);
    else
      out_.entries.push_back(parse_tensor(name, value));
  }

  void parse_metadata(dom::element value) {
    constexpr std::string_view kExpected = "an object of strings";
    if (value.is_null()) return;
    dom::object object;
    check(value.get_object().get(object), kMetadata, "value", kExpected);
    std::unordered_set<std::string_view> keys;
    Json::Object strings;
    for (const auto [key, element] : object) {
      std::string_view text;
      check(element.get_string().get(text), kMetadata, key, kExpected);
      if (!keys.insert(key).second) fail_entry(kMetadata, str("has the key ", quote(key), " twice"));
      strings.emplace_back(std::string(key), Json(text));
    }
    out_.metadata = std::move(strings);
  }

  // Fields that we do not know are ignored, as the reference's reader does.
  CheckpointEntry parse_tensor(std::string_view name, dom::element value) const {
    dom::object object;
    check(value.get_object().get(object), name, "value", "an object");
    CheckpointEntry entry{.name = std::string(name)};
    constexpr std::string_view kFields[] = {"dtype", "shape", "data_offsets"};
    unsigned seen = 0;
    for (const auto [key, element] : object) {
      const auto index = static_cast<unsigned>(std::find(std::begin(kFields), std::end(kFields), key) - kFields);
      if (index == std::size(kFields)) continue;
      if (seen & 1U << index) fail_entry(name, str("has ", quote(key), " twice"));
      seen |= 1U << index;
      if (index == 0) parse_dtype(element, entry);
      if (index == 1) parse_shape(element, entry);
      if (index == 2) parse_offsets(element, entry);
    }
    if (seen != 7) fail_entry(name, "lacks one of 'dtype', 'shape', 'data_offsets'");
    check_size(entry);
    return entry;
  }

  void parse_dtype(dom::element value, CheckpointEntry& entry) const {
    std::string_view code;
    check(value.get_string().get(code), entry.name, "dtype", "a string");
    const auto dtype = data_type_from_safetensors(code);
    if (!dtype) fail_entry(entry.name, str("has the unknown dtype ", quote(code), "; known are ", known_codes()));
    entry.dtype = *dtype;
  }

  static std::string known_codes() {
    std::vector<std::string_view> codes;
    for (const auto& row : data_types())
      if (!row.safetensors.empty()) codes.push_back(row.safetensors);
    return join(codes, ", ");
  }

  // Whole numbers from 0 to 2^63 - 1: strict JSON integers, so neither -1 nor 1.0 nor 1e3.
  void parse_shape(dom::element value, CheckpointEntry& entry) const {
    constexpr std::string_view kExpected = "a list of whole numbers";
    dom::array array;
    check(value.get_array().get(array), entry.name, "shape", kExpected);
    for (const auto element : array) {
      uint64_t dim = 0;
      check(element.get_uint64().get(dim), entry.name, "shape", kExpected);
      if (dim > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
        fail_entry(entry.name, str("has a dimension of ", dim));
      entry.shape.push_back(static_cast<int64_t>(dim));
    }
  }

  void parse_offsets(dom::element value, CheckpointEntry& entry) const {
    constexpr std::string_view kExpected = "two whole numbers, the second not below the first";
    dom::array array;
    check(value.get_array().get(array), entry.name, "data_offsets", kExpected);
    uint64_t offsets[2] = {0, 0};
    size_t count = 0;
    for (const auto element : array) {
      uint64_t offset = 0;
      check(element.get_uint64().get(offset), entry.name, "data_offsets", kExpected);
      if (count < 2) offsets[count] = offset;
      ++count;
    }
    if (count != 2 || offsets[1] < offsets[0]) check(simdjson::INCORRECT_TYPE, entry.name, "data_offsets", kExpected);
    entry.offset = offsets[0];
    entry.size_bytes = offsets[1] - offsets[0];
  }

  void check_size(const CheckpointEntry& entry) const {
    const auto needed = byte_count(entry.dtype, entry.shape);
    if (!needed) fail_entry(entry.name, str("has the shape ", entry.shape, ", whose size overflows"));
    if (static_cast<uint64_t>(*needed) != entry.size_bytes)
      fail_entry(entry.name, str("has ", entry.size_bytes, " bytes of data, ", info(entry.dtype).name, " of shape ",
                                 entry.shape, " takes ", *needed));
  }

  // The tensors must cover the data exactly: no gap, no overlap, nothing behind the last. Then makes offsets absolute.
  void check_coverage(uint64_t data_start) {
    auto& entries = out_.entries;
    std::stable_sort(entries.begin(), entries.end(), [](const CheckpointEntry& a, const CheckpointEntry& b) {
      return std::pair(a.offset, a.size_bytes) < std::pair(b.offset, b.size_bytes);
    });
    const uint64_t data_bytes = bytes_.size() - data_start;
    uint64_t end = 0;
    for (const auto& entry : entries) {
      if (entry.offset < end) fail_entry(entry.name, str("overlaps the tensor before it, which ends at byte ", end));
      if (entry.offset > end)
        fail_entry(entry.name, str("begins at byte ", entry.offset, " of the data, expected ", end));
      end += entry.size_bytes;  // cannot wrap: offset == end, and offset + size_bytes was a uint64_t in the header
    }
    if (end > data_bytes) fail_cut_short(data_start, end);
    if (end < data_bytes)
      fail(str("has ", data_bytes - end, " bytes after the last tensor: it is damaged, download it again"));
    for (auto& entry : entries) entry.offset += data_start;
  }

  [[noreturn]] void fail_cut_short(uint64_t data_start, uint64_t data_bytes) const {
    uint64_t expected = 0;
    if (__builtin_add_overflow(data_start, data_bytes, &expected)) expected = data_bytes;
    fail(str("has ", bytes_.size(), " bytes, the header expects ", expected, ": it was cut short, download it again"));
  }

  const std::filesystem::path& file_;
  std::span<const std::byte> bytes_;
  detail::ParsedCheckpoint out_;
  std::unordered_set<std::string_view> names_;  // views into the parser's text
};

bool matches(std::span<const std::byte> head, const std::filesystem::path& file) {
  if (file.extension() == ".safetensors") return true;
  return head.size() > kLengthBytes && read_length(head.data()) <= kSafetensorsMostHeaderBytes &&
         head[kLengthBytes] == std::byte{'{'};
}

std::unique_ptr<CheckpointReader> open_safetensors(const std::filesystem::path& file) {
  auto mapped = detail::map_weights(file);
  auto parsed = HeaderParser(*mapped).parse();
  return detail::make_mapped_reader(std::move(mapped), std::move(parsed), "transformers");
}

}  // namespace

constinit const CheckpointFormat safetensors_format{
    .name = "safetensors",
    .extension = ".safetensors",
    .matches = matches,
    .open = open_safetensors,
    .write = write_safetensors,
};

}  // namespace transformers
