#include "transformers/checkpoint/detail/mapped_reader.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"

namespace transformers::detail {
namespace {

class MappedReader final : public CheckpointReader {
 public:
  MappedReader(std::shared_ptr<const MappedFile> mapped, ParsedCheckpoint parsed, std::string_view dialect,
               Decode decode)
      : mapped_(std::move(mapped)),
        file_{mapped_->path()},
        parsed_(std::move(parsed)),
        dialect_(dialect),
        decode_(std::move(decode)) {
    index_.reserve(parsed_.entries.size());
    for (size_t i = 0; i < parsed_.entries.size(); ++i) index_.emplace(parsed_.entries[i].name, i);
  }

  std::span<const CheckpointEntry> entries() const override { return parsed_.entries; }

  const CheckpointEntry* find(std::string_view name) const override {
    const auto found = index_.find(name);
    return found == index_.end() ? nullptr : &parsed_.entries[found->second];
  }

  SharedBytes bytes(const CheckpointEntry& entry) const override {
    if (decode_ && entry.offset == 0 && entry.size_bytes > 0) return decoded(entry);
    const auto all = mapped_->bytes();
    if (entry.offset > all.size() || entry.size_bytes > all.size() - entry.offset) refuse(entry);
    return {.bytes = all.subspan(entry.offset, entry.size_bytes), .owner = mapped_};
  }

  void advise(const CheckpointEntry& entry, Advice advice) const override { mapped_->advise(run_of(entry), advice); }

  std::span<const std::filesystem::path> files() const override { return file_; }
  const Json& metadata() const override { return parsed_.metadata; }
  std::string_view dialect() const override { return dialect_; }

 private:
  [[noreturn]] void refuse(const CheckpointEntry& entry) const {
    throw ValueError(str(file_[0], ": the entry ", quote(entry.name), " is not one of this reader"));
  }

  // Where the entry lies in the file; nothing where its bytes are no single run.
  [[nodiscard]] std::span<const std::byte> run_of(const CheckpointEntry& entry) const {
    const auto all = mapped_->bytes();
    const bool is_inside = entry.offset <= all.size() && entry.size_bytes <= all.size() - entry.offset;
    if (!is_inside || (decode_ && entry.offset == 0)) return {};
    return all.subspan(entry.offset, entry.size_bytes);
  }

  SharedBytes decoded(const CheckpointEntry& entry) const {
    const auto found = index_.find(entry.name);
    if (found == index_.end() || parsed_.entries[found->second].size_bytes != entry.size_bytes) refuse(entry);
    std::shared_ptr<std::byte[]> copy(new std::byte[entry.size_bytes]);
    const std::span<std::byte> target(copy.get(), entry.size_bytes);
    decode_(found->second, target);
    return {.bytes = target, .owner = copy};
  }

  std::shared_ptr<const MappedFile> mapped_;
  std::array<std::filesystem::path, 1> file_;
  ParsedCheckpoint parsed_;
  std::string_view dialect_;
  Decode decode_;
  std::unordered_map<std::string_view, size_t> index_;  // views into parsed_.entries
};

std::string_view text_of(std::span<const std::byte> bytes, size_t most) {
  return {reinterpret_cast<const char*>(bytes.data()), std::min(bytes.size(), most)};
}

}  // namespace

std::shared_ptr<const MappedFile> map_weights(const std::filesystem::path& file) {
  auto mapped = MappedFile::open(file);
  if (mapped->bytes().empty()) throw OSError(str(file, ": the file is empty, download it again"));
  const auto head = text_of(mapped->bytes(), 64);
  if (head.starts_with(kLfsPointerStart))
    throw OSError(str(file, ": is a Git LFS pointer in place of the weights; install git lfs and run `git lfs pull`"));
  const auto start = to_lower_ascii(trim(head));
  if (start.starts_with("<!doctype html") || start.starts_with("<html"))
    throw OSError(str(file, ": is a web page in place of the weights; download the file itself, not its page"));
  return mapped;
}

std::unique_ptr<CheckpointReader> make_mapped_reader(std::shared_ptr<const MappedFile> mapped, ParsedCheckpoint parsed,
                                                     std::string_view dialect) {
  return std::make_unique<MappedReader>(std::move(mapped), std::move(parsed), dialect, nullptr);
}

std::unique_ptr<CheckpointReader> make_decoding_reader(std::shared_ptr<const MappedFile> mapped,
                                                       ParsedCheckpoint parsed, std::string_view dialect,
                                                       Decode decode) {
  return std::make_unique<MappedReader>(std::move(mapped), std::move(parsed), dialect, std::move(decode));
}

}  // namespace transformers::detail
