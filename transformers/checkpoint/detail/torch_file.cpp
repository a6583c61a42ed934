#include "transformers/checkpoint/detail/torch_file.h"

#include <unordered_map>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/detail/byte_reader.h"
#include "transformers/checkpoint/detail/torch_state.h"
#include "transformers/checkpoint/detail/zip_archive.h"

namespace transformers::detail {
namespace {

constexpr std::string_view kPickleName = "data.pkl";
// The number with which the plain form begins, 0x1950a86a20f9469cfc6c, and its protocol.
constexpr std::string_view kMagic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
constexpr uint64_t kProtocol = 1001;

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The folder of the archive with its slash: whatever stands before the one `data.pkl`.
std::string_view archive_folder(const ZipArchive& archive, const std::filesystem::path& file) {
  for (const auto& entry : archive.entries()) {
    const auto slash = entry.name.find('/');
    if (slash != entry.name.npos && entry.name.substr(slash + 1) == kPickleName) return entry.name.substr(0, slash + 1);
  }
  throw OSError(str(file, ": is a zip archive without ", kPickleName, ", so torch.save did not write it"));
}

void check_archive(const ZipArchive& archive, std::string_view folder, const std::filesystem::path& file) {
  if (archive.find(str(folder, "constants.pkl")))
    throw ValueError(
        str(file, ": is a TorchScript program, which is code and not only weights; save its state_dict()"));
  const auto* order = archive.find(str(folder, "byteorder"));
  if (order && text_of(archive.content(*order)) != "little")
    throw OSError(str(file, ": was written in the byte order ", quote(text_of(archive.content(*order))),
                      ", this version reads 'little' only; save it again on a little-endian machine"));
}

TorchFile open_zip(const std::shared_ptr<const MappedFile>& mapped) {
  const auto& file = mapped->path();
  const auto archive = std::make_shared<const ZipArchive>(mapped);
  const auto folder = archive_folder(*archive, file);
  check_archive(*archive, folder, file);
  const auto* entry = archive->find(str(folder, kPickleName));
  const uint64_t begin = archive->content_offset(*entry);
  return {.pickle = read_pickle(mapped->bytes(), begin, begin + entry->size_bytes, file),
          .find_storage = [archive, folder](std::string_view key) -> std::optional<ByteRange> {
            const auto* found = archive->find(str(folder, "data/", key));
            if (!found) return std::nullopt;
            return ByteRange{
                .offset = archive->content_offset(*found), .size_bytes = found->size_bytes, .crc = found->crc};
          }};
}

// Five pickles one after the other: magic number, protocol, facts about the writer, the object, the keys of the
// storages; then the storages in the order of the keys, each its count of elements and their bytes.
class PlainForm {
 public:
  explicit PlainForm(const MappedFile& mapped) : file_(mapped.path()), bytes_(mapped.bytes()) {}

  TorchFile open() {
    check_magic();
    check_writer();
    auto object = next();
    const auto keys = next();
    auto storages = read_storages(object, keys);
    return {.pickle = std::move(object),
            .find_storage = [storages = std::move(storages)](std::string_view key) -> std::optional<ByteRange> {
              const auto found = storages.find(key);
              if (found == storages.end()) return std::nullopt;
              return found->second;
            }};
  }

 private:
  using Ranges = std::unordered_map<std::string_view, ByteRange>;

  Pickle next() {
    auto pickle = read_pickle(bytes_, position_, bytes_.size(), file_);
    position_ = pickle.end();
    return pickle;
  }

  void check_magic() {
    const auto magic = next();
    if (magic.root().kind != PickleKind::BigInt || magic.text(magic.root()) != kMagic)
      throw OSError(str(file_, ": is a pickle, but not one that torch.save wrote: it lacks torch's magic number"));
    const auto protocol = next();
    if (protocol.root().kind != PickleKind::Int || protocol.root().value != kProtocol)
      throw OSError(str(file_, ": has an unknown version of torch's plain form, expected ", kProtocol));
  }

  void check_writer() {
    const auto facts = next();
    const auto items = facts.items(facts.root());
    for (size_t i = 0; i + 1 < items.size(); i += 2)
      if (facts.text(facts[items[i]]) == "little_endian" && facts[items[i + 1]].value == 0)
        throw OSError(str(file_, ": was written on a big-endian machine; save it again on a little-endian one"));
  }

  [[noreturn]] void fail(std::string_view key, std::string_view reason) const {
    throw OSError(str(file_, ": the storage ", quote(key), " ", reason, ": the file is damaged, download it again"));
  }

  // Every storage that the object names, by key, with the bytes that it says.
  std::unordered_map<std::string_view, uint64_t> named_storages(const Pickle& object) const {
    std::unordered_map<std::string_view, uint64_t> sizes;
    for (const auto& node : object.nodes()) {
      if (node.kind != PickleKind::Storage) continue;
      const auto storage = read_torch_storage(object, node, file_);
      if (sizes.emplace(storage.key, storage.size_bytes).first->second != storage.size_bytes)
        fail(storage.key, "is given two sizes");
    }
    return sizes;
  }

  Ranges read_storages(const Pickle& object, const Pickle& keys) {
    const auto sizes = named_storages(object);
    ByteReader in(bytes_.subspan(position_), file_);
    Ranges ranges;
    for (const auto ref : keys.items(keys.root())) {
      const auto key = keys.text(keys[ref]);
      const auto size = sizes.find(key);
      if (size == sizes.end()) fail(key, "is of no known type");
      static_cast<void>(in.read<int64_t>("the count of a storage"));  // the object said it too, with the type
      const uint64_t offset = position_ + in.position();
      static_cast<void>(in.take(size->second, "a storage"));
      if (!ranges.emplace(size->first, ByteRange{.offset = offset, .size_bytes = size->second}).second)
        fail(key, "occurs twice");
    }
    return ranges;
  }

  const std::filesystem::path& file_;
  std::span<const std::byte> bytes_;
  uint64_t position_ = 0;
};

}  // namespace

TorchFile open_torch_file(const std::shared_ptr<const MappedFile>& mapped) {
  const auto head = text_of(mapped->bytes().first(std::min<size_t>(mapped->bytes().size(), 512)));
  if (head.starts_with("PK")) return open_zip(mapped);
  if (head.starts_with('\x80')) return PlainForm(*mapped).open();
  if (head.size() > 262 && head.substr(257, 5) == "ustar")
    throw OSError(str(mapped->path(),
                      ": is a tar file of torch before 0.2; load it in Python with an old torch and save it again with "
                      "torch.save, or as safetensors"));
  throw OSError(str(mapped->path(),
                    ": is no PyTorch checkpoint: it begins like neither form of torch.save; it is damaged "
                    "or has the wrong name"));
}

}  // namespace transformers::detail
