#include "transformers/checkpoint/flax.h"

#include <cstring>
#include <unordered_set>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/detail/mapped_reader.h"
#include "transformers/checkpoint/detail/msgpack.h"
#include "transformers/checkpoint/flax_names.h"

namespace transformers {
namespace {

constexpr size_t kMostOtherLeaves = 4096;

using Kind = detail::MsgpackHead::Kind;

// The data of an array in the file: one run, or the pieces of a cut one.
using Runs = std::vector<std::span<const std::byte>>;

class TreeParser {
 public:
  explicit TreeParser(const MappedFile& mapped)
      : file_(mapped.path()), bytes_(mapped.bytes()), in_(bytes_, file_), most_name_bytes_(8 * bytes_.size() + 65536) {}

  void parse() {
    const auto root = in_.head(Kind::Map, "the tree");
    parse_members(root.size, "", 1);
    if (in_.remaining() > 0)
      fail(str("has ", in_.remaining(), " bytes after the tree: it is damaged, download it again"));
    out_.metadata = std::move(others_);
  }

  detail::ParsedCheckpoint out_ = {};
  std::vector<Runs> runs_ = {};  // of each entry

 private:
  [[noreturn]] void fail(std::string_view reason) const { throw OSError(str(file_, ": ", reason)); }

  std::string next_key(std::string_view prefix) {
    const auto key = in_.text("a key of the tree");
    if (!is_utf8(key) || key.find('\0') != std::string_view::npos)
      fail(str("a key in ", quote(prefix), " is not UTF-8 without NUL"));
    if (key == detail::kFlaxChunkedArray)
      fail(str("the map ", quote(prefix), " has ", quote(key), " where no array in pieces can be"));
    auto name = prefix.empty() ? detail::flax_segment(key) : str(prefix, ".", detail::flax_segment(key));
    // Every name repeats its prefix: without a limit a small file with one long key would take its square.
    name_bytes_ += name.size();
    if (name_bytes_ > most_name_bytes_) fail("the names of its leaves take more than eight times the file");
    if (!names_.insert(name).second) fail(str("has ", quote(name), " twice"));
    return name;
  }

  void parse_members(uint64_t count, std::string_view prefix, size_t depth) {
    if (depth > detail::kFlaxMostDepth) fail(str("nests more than ", detail::kFlaxMostDepth, " maps"));
    for (uint64_t i = 0; i < count; ++i) {
      const auto name = next_key(prefix);
      parse_value(name, depth);
    }
  }

  void parse_value(const std::string& name, size_t depth) {
    const auto head = in_.head(name);
    switch (head.kind) {
      case Kind::Map:
        if (is_chunked(head)) return parse_chunked(name);
        return parse_members(head.size, name, depth + 1);
      case Kind::Extension: return parse_extension(head, name);
      case Kind::Nil: return add_other(name, nullptr);
      case Kind::Bool: return add_other(name, head.integer != 0);
      case Kind::Int: return add_other(name, head.integer);
      case Kind::Float: return add_other(name, head.number);
      case Kind::Text: return add_other(name, in_.take_text(head.size, name));
      case Kind::Binary:
      case Kind::List: break;
    }
    fail(str("the leaf ", quote(name), " is ", detail::kind_name(head.kind), ", expected an array or a map"));
  }

  void add_other(const std::string& name, Json value) {
    if (others_.size() == kMostOtherLeaves) fail(str("has more than ", kMostOtherLeaves, " leaves that are no arrays"));
    if (value.is_string() && !is_utf8(value.as_string())) fail(str("the text ", quote(name), " is not UTF-8"));
    others_.emplace_back(name, std::move(value));
  }

  void add_entry(CheckpointEntry entry, Runs runs) {
    const auto needed = byte_count(entry.dtype, entry.shape);
    if (!needed) fail(str("the array ", quote(entry.name), " has the impossible shape ", entry.shape));
    uint64_t found = 0;
    for (const auto& run : runs) found += run.size();
    if (found != static_cast<uint64_t>(*needed))
      fail(str("the array ", quote(entry.name), " has ", found, " bytes, ", info(entry.dtype).name, " of shape ",
               entry.shape, " takes ", *needed));
    entry.size_bytes = found;
    if (runs.size() == 1) entry.offset = static_cast<uint64_t>(runs[0].data() - bytes_.data());
    out_.entries.push_back(std::move(entry));
    runs_.push_back(std::move(runs));
  }

  void parse_extension(const detail::MsgpackHead& head, const std::string& name) {
    if (head.extension == detail::kFlaxComplex) return parse_complex(head, name);
    if (head.extension != detail::kFlaxArray && head.extension != detail::kFlaxScalar)
      fail(str("the leaf ", quote(name), " is an extension of type ", int64_t{head.extension},
               ", which Flax does not have"));
    CheckpointEntry entry{.name = name};
    auto run = parse_array(head, entry);
    add_entry(std::move(entry), {run});
  }

  // Inside the extension: a list of shape, name of the dtype, and the bytes in C order.
  std::span<const std::byte> parse_array(const detail::MsgpackHead& head, CheckpointEntry& entry) {
    const uint64_t end = extension_end(head, entry.name);
    if (in_.head(Kind::List, entry.name).size != 3) fail(str("the array ", quote(entry.name), " has not three parts"));
    const auto dims = in_.head(Kind::List, entry.name).size;
    for (uint64_t i = 0; i < dims; ++i) entry.shape.push_back(dimension(entry.name));
    const auto code = in_.text(entry.name);
    const auto dtype = data_type_from_name(code);
    if (!dtype || info(*dtype).is_quantized)
      fail(str("the array ", quote(entry.name), " has the unknown dtype ", quote(code)));
    entry.dtype = *dtype;
    const auto run = in_.take(in_.head(Kind::Binary, entry.name).size, entry.name);
    check_end(end, entry.name);
    return run;
  }

  int64_t dimension(std::string_view name) {
    const int64_t value = in_.head(Kind::Int, name).integer;
    if (value < 0) fail(str("the array ", quote(name), " has a dimension of ", value));
    return value;
  }

  uint64_t extension_end(const detail::MsgpackHead& head, std::string_view name) const {
    if (head.size > in_.remaining())
      fail(str("the array ", quote(name), " takes ", head.size, " bytes at byte ", in_.position(), ", the file has ",
               in_.remaining(), " left: it was cut short, download it again"));
    return in_.position() + head.size;
  }

  void check_end(uint64_t end, std::string_view name) const {
    if (in_.position() != end)
      fail(str("the array ", quote(name), " ends at byte ", in_.position(), ", its extension at byte ", end));
  }

  void parse_complex(const detail::MsgpackHead& head, const std::string& name) {
    const uint64_t end = extension_end(head, name);
    if (in_.head(Kind::List, name).size != 2) fail(str("the complex number ", quote(name), " has not two parts"));
    const double real = in_.head(Kind::Float, name).number, imaginary = in_.head(Kind::Float, name).number;
    check_end(end, name);
    add_other(name, Json::Array{real, imaginary});
  }

  bool is_chunked(const detail::MsgpackHead& map) const {
    if (map.size != 3) return false;
    auto ahead = in_;
    const auto key = ahead.head("a key of the tree");
    return key.kind == Kind::Text && ahead.take_text(key.size, "a key of the tree") == detail::kFlaxChunkedArray;
  }

  void expect_key(std::string_view expected, std::string_view name) {
    const auto key = in_.text(name);
    if (key != expected)
      fail(str("the array in pieces ", quote(name), " has the key ", quote(key), ", expected ", quote(expected)));
  }

  // Three members: the mark, the shape and the pieces, the latter two as maps from "0", "1", ….
  void parse_chunked(const std::string& name) {
    CheckpointEntry entry{.name = name};
    expect_key(detail::kFlaxChunkedArray, name);
    static_cast<void>(in_.head(Kind::Bool, name));
    expect_key("shape", name);
    const auto dims = in_.head(Kind::Map, name).size;
    for (uint64_t i = 0; i < dims; ++i) {
      expect_key(str(i), name);
      entry.shape.push_back(dimension(name));
    }
    expect_key("chunks", name);
    Runs runs;
    const auto count = in_.head(Kind::Map, name).size;
    for (uint64_t i = 0; i < count; ++i) {
      expect_key(str(i), name);
      CheckpointEntry piece{.name = name};
      const auto run = parse_array(in_.head(Kind::Extension, name), piece);
      if (i > 0 && piece.dtype != entry.dtype) fail(str("the pieces of ", quote(name), " differ in dtype"));
      entry.dtype = piece.dtype;
      runs.push_back(run);
    }
    add_entry(std::move(entry), std::move(runs));
  }

  const std::filesystem::path& file_;
  std::span<const std::byte> bytes_;
  detail::MsgpackReader in_;
  const uint64_t most_name_bytes_;
  uint64_t name_bytes_ = 0;
  std::unordered_set<std::string> names_;
  Json::Object others_;
};

// The head of a blob in the cache says little: a map, then a short text. Flax's trees are called by their extension.
bool matches(std::span<const std::byte>, const std::filesystem::path& file) { return file.extension() == ".msgpack"; }

std::unique_ptr<CheckpointReader> open_flax(const std::filesystem::path& file) {
  auto mapped = detail::map_weights(file);
  TreeParser parser(*mapped);
  parser.parse();
  return detail::make_decoding_reader(std::move(mapped), std::move(parser.out_), "flax",
                                      [runs = std::move(parser.runs_)](size_t index, std::span<std::byte> target) {
                                        for (const auto& run : runs[index]) {
                                          std::memcpy(target.data(), run.data(), run.size());
                                          target = target.subspan(run.size());
                                        }
                                      });
}

void write(const std::filesystem::path& file, std::span<const CheckpointWriteEntry> entries, const Json&) {
  write_flax(file, entries);
}

}  // namespace

constinit const CheckpointFormat flax_format{
    .name = "flax",
    .extension = ".msgpack",
    .dialect = "flax",
    .matches = matches,
    .open = open_flax,
    .write = write,
};

}  // namespace transformers
