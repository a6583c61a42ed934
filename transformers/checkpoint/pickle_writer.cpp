#include <algorithm>
#include <unordered_map>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/detail/write_entry.h"
#include "transformers/checkpoint/detail/zip_writer.h"
#include "transformers/checkpoint/pickle.h"

namespace transformers {
namespace {

namespace fs = std::filesystem;

// Protocol 2, as torch.save writes it: what occurs often is stored once and recalled by number.
class StateDictPickle {
 public:
  StateDictPickle() {
    out_ = "\x80\x02";
    ordered_dict();
  }

  void add(const CheckpointWriteEntry& entry, size_t storage, int64_t count) {
    if (in_batch_ == 0) out_ += '(';
    text(entry.name);
    const auto& type = info(entry.dtype);
    const bool has_class = !type.torch_storage.empty();
    global("torch._utils", has_class ? "_rebuild_tensor_v2" : "_rebuild_tensor_v3");
    out_ += "((";
    remembered_text("storage");
    if (has_class)
      global("torch", type.torch_storage);
    else
      global("torch.storage", "UntypedStorage");
    text(std::to_string(storage));
    remembered_text("cpu");
    number(has_class ? count : count * type.block_bytes);
    out_ += "tQ";
    number(0);
    numbers(entry.shape);
    numbers(row_major(entry.shape));
    out_ += '\x89';  // requires_grad
    ordered_dict();  // hooks
    if (!has_class) global("torch", type.name);
    out_ += "tR";
    if (++in_batch_ == kBatch) end_batch();
  }

  std::string finish() {
    end_batch();
    out_ += '.';
    return std::move(out_);
  }

 private:
  static constexpr size_t kBatch = 1000;  // Python's own

  void end_batch() {
    if (in_batch_ > 0) out_ += 'u';
    in_batch_ = 0;
  }

  static std::vector<int64_t> row_major(std::span<const int64_t> shape) {
    std::vector<int64_t> strides(shape.size());
    int64_t stride = 1;
    for (size_t dim = shape.size(); dim-- > 0; stride *= std::max<int64_t>(shape[dim], 1)) strides[dim] = stride;
    return strides;
  }

  void little_endian(uint64_t value, size_t width) {
    for (size_t i = 0; i < width; ++i) out_ += static_cast<char>(value >> 8 * i & 255);
  }

  // `value` is not negative.
  void number(int64_t value) {
    const auto bits = static_cast<uint64_t>(value);
    if (bits < 1 << 8) {
      out_ += 'K';
      little_endian(bits, 1);
    } else if (bits < 1 << 16) {
      out_ += 'M';
      little_endian(bits, 2);
    } else if (bits < uint64_t{1} << 31) {
      out_ += 'J';
      little_endian(bits, 4);
    } else {
      out_ += "\x8a\x08";
      little_endian(bits, 8);
    }
  }

  void numbers(std::span<const int64_t> values) {
    if (values.empty()) {
      out_ += ')';
      return;
    }
    out_ += '(';
    for (const int64_t value : values) number(value);
    out_ += 't';
  }

  void text(std::string_view value) {
    out_ += 'X';
    little_endian(value.size(), 4);
    out_ += value;
  }

  // Writes `key` by `write` the first time, by its number after that.
  template <class Write>
  void once(const std::string& key, Write write) {
    const auto [slot, is_new] = memo_.try_emplace(key, memo_.size());
    if (is_new) write();
    out_ += is_new ? 'q' : 'h';
    little_endian(slot->second, 1);  // some twenty at most: types and fixed words
  }
  void remembered_text(std::string_view value) {
    once(std::string(value), [&] { text(value); });
  }
  void global(std::string_view module, std::string_view name) {
    const auto both = str(module, "\n", name, "\n");
    once(both, [&] { out_ += 'c', out_ += both; });
  }
  void ordered_dict() {
    global("collections", "OrderedDict");
    out_ += ")R";
  }

  std::string out_;
  std::unordered_map<std::string, size_t> memo_;
  size_t in_batch_ = 0;
};

struct Plan {
  std::string pickle;
  std::vector<const CheckpointWriteEntry*> stored;  // by number of the storage
};

void check(const fs::path& file, const CheckpointWriteEntry& entry) {
  if (info(entry.dtype).is_quantized)
    throw ValueError(
        str(file, ": ", quote(entry.name), " is ", info(entry.dtype).name, ", which torch.save cannot hold"));
  if (!detail::is_plain_text(entry.name) || entry.name.size() > 0xffffffff)
    throw ValueError(str(file, ": a tensor cannot be called ", quote(entry.name), ": it is not UTF-8 without NUL"));
  static_cast<void>(detail::entry_size(file, entry));
}

// The storage of the entry that `entry` is an alias of.
size_t storage_of_alias(const fs::path& file, const CheckpointWriteEntry& entry, const Plan& plan,
                        const std::unordered_map<std::string_view, size_t>& storages) {
  const auto found = storages.find(entry.alias_of);
  if (found == storages.end())
    throw ValueError(str(file, ": ", quote(entry.name), " is an alias of ", quote(entry.alias_of),
                         ", which does not stand before it"));
  const auto& source = *plan.stored[found->second];
  if (source.dtype != entry.dtype || element_count(source.shape) != element_count(entry.shape))
    throw ValueError(str(file, ": ", quote(entry.name), ", ", info(entry.dtype).name, " of shape ", entry.shape,
                         ", is no alias of ", quote(entry.alias_of), ", ", info(source.dtype).name, " of shape ",
                         source.shape));
  return found->second;
}

Plan make_plan(const fs::path& file, std::span<const CheckpointWriteEntry> entries) {
  Plan plan;
  StateDictPickle pickle;
  std::unordered_map<std::string_view, size_t> storages;  // by name of the tensor
  for (const auto& entry : entries) {
    check(file, entry);
    size_t storage = plan.stored.size();
    if (entry.alias_of.empty())
      plan.stored.push_back(&entry);
    else
      storage = storage_of_alias(file, entry, plan, storages);
    if (!storages.emplace(entry.name, storage).second)
      throw ValueError(str(file, ": a tensor cannot be called ", quote(entry.name), ": the name is taken"));
    pickle.add(entry, storage, *element_count(entry.shape));
  }
  plan.pickle = pickle.finish();
  return plan;
}

std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace

void write_pytorch(const fs::path& file, std::span<const CheckpointWriteEntry> entries, const Json& /*metadata*/) {
  const auto plan = make_plan(file, entries);
  AtomicFile out(file);
  detail::ZipWriter zip(out);
  zip.add("archive/data.pkl", as_bytes(plan.pickle));
  zip.add("archive/.format_version", as_bytes("1"));
  zip.add("archive/.storage_alignment", as_bytes("64"));
  zip.add("archive/byteorder", as_bytes("little"));
  for (size_t i = 0; i < plan.stored.size(); ++i)
    zip.add(str("archive/data/", i), detail::entry_bytes(file, *plan.stored[i]).bytes);
  zip.add("archive/version", as_bytes("3\n"));
  zip.finish();
  out.commit();
}

}  // namespace transformers
