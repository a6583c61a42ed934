#include "transformers/checkpoint/pickle.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>
#include <unordered_map>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/detail/crc32.h"
#include "transformers/checkpoint/detail/mapped_reader.h"
#include "transformers/checkpoint/detail/torch_file.h"
#include "transformers/checkpoint/detail/torch_state.h"
#include "transformers/checkpoint/detail/zip_archive.h"

namespace transformers {
namespace {

using detail::ByteRange;
using detail::TorchTensor;

// How a tensor lies in the file when that is not row-major.
struct StridedLayout {
  uint64_t offset = 0;  // of its first element in the file
  std::vector<int64_t> strides = {};
};

// Copies `count` elements that lie `stride` elements apart.
template <size_t kBytes>
void copy_strided(std::byte* to, const std::byte* from, int64_t count, int64_t stride) {
  const auto step = static_cast<size_t>(stride) * kBytes;
  for (int64_t i = 0; i < count; ++i)
    std::memcpy(to + static_cast<size_t>(i) * kBytes, from + static_cast<size_t>(i) * step, kBytes);
}

void copy_row(std::byte* to, const std::byte* from, int64_t count, int64_t stride, size_t element_bytes) {
  switch (element_bytes) {
    case 1: return copy_strided<1>(to, from, count, stride);
    case 2: return copy_strided<2>(to, from, count, stride);
    case 4: return copy_strided<4>(to, from, count, stride);
    default: return copy_strided<8>(to, from, count, stride);
  }
}

// Row-major copy of a tensor of at least one dimension and one element.
SharedBytes gather(std::span<const std::byte> file, const CheckpointEntry& entry, const StridedLayout& layout) {
  const auto element = static_cast<size_t>(info(entry.dtype).block_bytes);
  const auto copy = std::make_shared_for_overwrite<std::byte[]>(entry.size_bytes);
  const size_t last = entry.shape.size() - 1;
  std::vector<int64_t> index(last, 0);
  uint64_t from = layout.offset;
  for (uint64_t done = 0; done < entry.size_bytes;) {
    copy_row(copy.get() + done, file.data() + from, entry.shape[last], layout.strides[last], element);
    done += static_cast<uint64_t>(entry.shape[last]) * element;
    for (size_t dim = last; dim-- > 0;) {
      from += static_cast<uint64_t>(layout.strides[dim]) * element;
      if (++index[dim] < entry.shape[dim]) break;
      from -= static_cast<uint64_t>(layout.strides[dim]) * static_cast<uint64_t>(entry.shape[dim]) * element;
      index[dim] = 0;
    }
  }
  return {.bytes = {copy.get(), entry.size_bytes}, .owner = copy};
}

bool is_row_major(const TorchTensor& tensor) {
  int64_t expected = 1;  // cannot overflow: the bytes of the shape were counted
  for (size_t dim = tensor.shape.size(); dim-- > 0;) {
    if (tensor.shape[dim] != 1 && tensor.strides[dim] != expected) return false;
    expected *= tensor.shape[dim];
  }
  return true;
}

class TorchReader final : public CheckpointReader {
 public:
  explicit TorchReader(const std::filesystem::path& file) : mapped_(detail::map_weights(file)), file_{mapped_->path()} {
    const auto torch_file = detail::open_torch_file(mapped_);
    const auto state = detail::read_torch_state(torch_file.pickle, file_[0]);
    entries_.reserve(state.tensors.size());
    for (const auto& tensor : state.tensors) add(tensor, torch_file);
    for (size_t i = 0; i < entries_.size(); ++i) index_.emplace(entries_[i].name, i);
    if (!state.wrapped_in.empty()) metadata_["wrapped_in"] = state.wrapped_in;
    Json::Array unread;
    for (const auto name : state.unread) unread.emplace_back(name);
    if (!unread.empty()) metadata_["unread"] = std::move(unread);
  }

  std::span<const CheckpointEntry> entries() const override { return entries_; }
  const CheckpointEntry* find(std::string_view name) const override {
    const auto found = index_.find(name);
    return found == index_.end() ? nullptr : &entries_[found->second];
  }
  SharedBytes bytes(const CheckpointEntry& entry) const override {
    const auto all = mapped_->bytes();
    const auto known = index_.find(entry.name);
    if (known == index_.end() || entries_[known->second].size_bytes != entry.size_bytes)
      throw ValueError(str(file_[0], ": the entry ", quote(entry.name), " is not one of this reader"));
    const auto strided = strided_.find(known->second);
    if (strided != strided_.end()) return gather(all, entries_[known->second], strided->second);
    return {.bytes = all.subspan(entries_[known->second].offset, entry.size_bytes), .owner = mapped_};
  }
  Integrity verify(const CheckpointEntry& entry) const override {
    const auto known = index_.find(entry.name);
    if (known == index_.end())
      throw ValueError(str(file_[0], ": the entry ", quote(entry.name), " is not one of this reader"));
    const auto& storage = storages_[known->second];
    if (!storage.crc) return Integrity::Unknown;
    // Tensors may share a storage; each is read once.
    const std::lock_guard lock(mutex_);
    const auto [found, is_new] = verified_.try_emplace(storage.offset, Integrity::Damaged);
    if (is_new && detail::crc32(mapped_->bytes().subspan(storage.offset, storage.size_bytes)) == *storage.crc)
      found->second = Integrity::Intact;
    return found->second;
  }
  void advise(const CheckpointEntry& entry, Advice advice) const override { mapped_->advise(run_of(entry), advice); }
  std::span<const std::filesystem::path> files() const override { return file_; }
  const Json& metadata() const override { return metadata_; }
  std::string_view dialect() const override { return "transformers"; }

 private:
  [[noreturn]] void fail(const TorchTensor& tensor, std::string_view reason) const {
    throw OSError(str(file_[0], ": the tensor ", quote(tensor.name), " ", reason,
                      ": the file was cut short or is damaged, download it again"));
  }

  // Where the entry lies in the file; nothing where its elements do not lie in order.
  [[nodiscard]] std::span<const std::byte> run_of(const CheckpointEntry& entry) const {
    const auto known = index_.find(entry.name);
    if (known == index_.end() || strided_.contains(known->second)) return {};
    return mapped_->bytes().subspan(entries_[known->second].offset, entries_[known->second].size_bytes);
  }

  void add(const TorchTensor& tensor, const detail::TorchFile& torch_file) {
    const auto range = torch_file.find_storage(tensor.storage.key);
    if (!range) fail(tensor, str("lies in the storage ", quote(tensor.storage.key), ", which the file lacks"));
    if (range->size_bytes < tensor.storage.size_bytes)
      fail(tensor, str("lies in a storage of ", tensor.storage.size_bytes, " bytes, of which the file has ",
                       range->size_bytes));
    const auto size_bytes = byte_count(tensor.dtype, tensor.shape);
    if (!size_bytes) fail(tensor, str("has the shape ", tensor.shape, ", whose size overflows"));
    CheckpointEntry entry{.name = std::string(tensor.name), .dtype = tensor.dtype, .shape = tensor.shape};
    entry.size_bytes = static_cast<uint64_t>(*size_bytes);
    const uint64_t first = entry.size_bytes == 0 ? 0 : checked_first(tensor);
    if (entry.size_bytes == 0 || is_row_major(tensor))
      entry.offset = range->offset + first;
    else
      strided_.emplace(entries_.size(), strided(tensor, range->offset + first, entry.size_bytes));
    entries_.push_back(std::move(entry));
    storages_.push_back(*range);
  }

  // Where the tensor begins in its storage, in bytes; all of its elements lie inside.
  uint64_t checked_first(const TorchTensor& tensor) const {
    const auto element = static_cast<uint64_t>(info(tensor.dtype).block_bytes);
    int64_t last = tensor.first;
    for (size_t dim = 0; dim < tensor.shape.size(); ++dim) {
      int64_t span = 0;
      if (__builtin_mul_overflow(tensor.shape[dim] - 1, tensor.strides[dim], &span) ||
          __builtin_add_overflow(last, span, &last))
        fail(tensor, str("has the strides ", tensor.strides, ", which overflow"));
    }
    if (static_cast<uint64_t>(last) >= tensor.storage.size_bytes / element)
      fail(tensor, str("of shape ", tensor.shape, " reaches element ", last, " of a storage of ",
                       tensor.storage.size_bytes / element));
    return static_cast<uint64_t>(tensor.first) * element;
  }

  // A stride of 0 repeats bytes: a short file could ask for any amount of memory.
  StridedLayout strided(const TorchTensor& tensor, uint64_t offset, uint64_t size_bytes) const {
    if (size_bytes > mapped_->bytes().size())
      throw OSError(str(file_[0], ": the tensor ", quote(tensor.name), " of shape ", tensor.shape,
                        " repeats its bytes to ", size_bytes, ", more than the file has; save it with .contiguous()"));
    return {.offset = offset, .strides = tensor.strides};
  }

  std::shared_ptr<const MappedFile> mapped_;
  std::array<std::filesystem::path, 1> file_;
  std::vector<CheckpointEntry> entries_;
  std::vector<ByteRange> storages_;                     // of the entries
  std::unordered_map<size_t, StridedLayout> strided_;   // by position in entries_
  std::unordered_map<std::string_view, size_t> index_;  // views into entries_
  Json metadata_ = Json::object();
  mutable std::mutex mutex_;
  mutable std::unordered_map<uint64_t, Integrity> verified_;  // by offset of the storage
};

// By content; only what has no sign of another format is judged by its name, so that a damaged file is told so. The
// length of a safetensors header may begin with the same bytes as a pickle: its brace is looked at first.
bool matches(std::span<const std::byte> head, const std::filesystem::path& file) {
  const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  if (text.starts_with("GGUF") || text.starts_with("\x89HDF") || (text.size() > 8 && text[8] == '{')) return false;
  const auto extension = file.extension();
  if (text.starts_with("PK\x03\x04")) return extension != ".npz" && extension != ".keras";
  if (text.size() > 1 && text[0] == '\x80' && text[1] >= 2 && text[1] <= 5) return true;
  return extension == ".bin" || extension == ".pt" || extension == ".pth";
}

std::unique_ptr<CheckpointReader> open(const std::filesystem::path& file) {
  return std::make_unique<TorchReader>(file);
}

}  // namespace

constinit const CheckpointFormat pytorch_format{
    .name = "pytorch", .extension = ".bin", .matches = matches, .open = open, .write = write_pytorch};

void verify_pytorch(const std::filesystem::path& file) {
  const TorchReader reader(file);
  const auto mapped = detail::map_weights(file);
  const std::string_view head(reinterpret_cast<const char*>(mapped->bytes().data()), 2);
  if (head == "PK") detail::ZipArchive(mapped).verify();
}

}  // namespace transformers
