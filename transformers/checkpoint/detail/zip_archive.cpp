#include "transformers/checkpoint/detail/zip_archive.h"

#include <algorithm>
#include <cstring>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/detail/crc32.h"

namespace transformers::detail {
namespace {

// Sizes of the fixed parts of the records, and where what we read lies in them (APPNOTE 4.3).
constexpr uint64_t kLocalBytes = 30, kCentralBytes = 46, kEndBytes = 22, kEnd64Bytes = 56, kLocatorBytes = 20;
constexpr std::string_view kLocal = "PK\x03\x04", kCentral = "PK\x01\x02", kEnd = "PK\x05\x06";
constexpr std::string_view kEnd64 = "PK\x06\x06", kLocator = "PK\x06\x07";
constexpr uint64_t kMostCommentBytes = 65535;
constexpr uint32_t kIn64 = 0xffffffff;  // the value stands in the zip64 field

template <class T>
T number(std::string_view record, size_t at) {
  T value;
  std::memcpy(&value, record.data() + at, sizeof value);
  return value;
}

// The zip64 field of a central header: those of its numbers that did not fit, in this order.
bool read_zip64(std::string_view extra, std::span<uint64_t* const> numbers) {
  while (extra.size() >= 4) {
    const size_t id = number<uint16_t>(extra, 0), size = number<uint16_t>(extra, 2);
    if (size > extra.size() - 4) return false;
    if (id != 1) {
      extra.remove_prefix(4 + size);
      continue;
    }
    if (size < 8 * numbers.size()) return false;
    for (size_t i = 0; i < numbers.size(); ++i) *numbers[i] = number<uint64_t>(extra, 4 + 8 * i);
    return true;
  }
  return numbers.empty();
}

}  // namespace

ZipArchive::ZipArchive(std::shared_ptr<const MappedFile> mapped) : mapped_(std::move(mapped)) {
  const auto directory = find_directory();
  if (directory.count > directory.size_bytes / kCentralBytes)
    fail(str("its directory announces ", directory.count, " entries in ", directory.size_bytes, " bytes"));
  static_cast<void>(text(directory.offset, directory.size_bytes, "the directory"));
  entries_.reserve(directory.count);
  index_.reserve(directory.count);
  uint64_t at = directory.offset;
  for (uint64_t i = 0; i < directory.count; ++i) {
    entries_.push_back(read_entry(at));
    if (!index_.emplace(entries_.back().name, i).second)
      fail(str("the zip entry ", quote(entries_.back().name), " occurs twice"));
  }
}

void ZipArchive::fail(std::string_view reason) const {
  throw OSError(str(mapped_->path(), ": ", reason, ": it was cut short or is damaged, download it again"));
}

std::string_view ZipArchive::text(uint64_t offset, uint64_t size_bytes, std::string_view what) const {
  const auto all = mapped_->bytes();
  if (offset > all.size() || size_bytes > all.size() - offset)
    fail(str(what, " takes ", size_bytes, " bytes from byte ", offset, ", the file has ", all.size()));
  return {reinterpret_cast<const char*>(all.data()) + offset, size_bytes};
}

// The end record stands at the end of the file, behind it at most a comment.
ZipArchive::Directory ZipArchive::find_directory() const {
  const uint64_t file_bytes = mapped_->bytes().size();
  const uint64_t tail_bytes = std::min(file_bytes, kEndBytes + kMostCommentBytes);
  const auto tail = text(file_bytes - tail_bytes, tail_bytes, "the end");
  const auto found = tail_bytes < kEndBytes ? tail.npos : tail.rfind(kEnd, tail_bytes - kEndBytes);
  if (found == tail.npos) fail("the zip archive has no directory at its end");
  const uint64_t end = file_bytes - tail_bytes + found;
  const auto record = tail.substr(found, kEndBytes);
  if (end >= kLocatorBytes && text(end - kLocatorBytes, 4, "the end") == kLocator)
    return find_directory64(end - kLocatorBytes);
  return {.offset = number<uint32_t>(record, 16),
          .size_bytes = number<uint32_t>(record, 12),
          .count = number<uint16_t>(record, 10)};
}

ZipArchive::Directory ZipArchive::find_directory64(uint64_t locator) const {
  const auto at = number<uint64_t>(text(locator, kLocatorBytes, "the zip64 locator"), 8);
  const auto record = text(at, kEnd64Bytes, "the zip64 end record");
  if (!record.starts_with(kEnd64)) fail(str("there is no zip64 end record at byte ", at));
  return {.offset = number<uint64_t>(record, 48),
          .size_bytes = number<uint64_t>(record, 40),
          .count = number<uint64_t>(record, 32)};
}

ZipEntry ZipArchive::read_entry(uint64_t& at) const {
  const auto record = text(at, kCentralBytes, "a zip directory entry");
  if (!record.starts_with(kCentral)) fail(str("there is no zip directory entry at byte ", at));
  const uint64_t name_bytes = number<uint16_t>(record, 28), extra_bytes = number<uint16_t>(record, 30);
  const uint64_t comment_bytes = number<uint16_t>(record, 32);
  const auto rest = text(at + kCentralBytes, name_bytes + extra_bytes + comment_bytes, "a zip directory entry");
  ZipEntry entry{.name = rest.substr(0, name_bytes),
                 .header_offset = number<uint32_t>(record, 42),
                 .size_bytes = number<uint32_t>(record, 20),
                 .crc = number<uint32_t>(record, 16)};
  uint64_t expanded = number<uint32_t>(record, 24);
  uint64_t* numbers[3];
  size_t count = 0;
  for (auto* value : {&expanded, &entry.size_bytes, &entry.header_offset})
    if (*value == kIn64) numbers[count++] = value;
  if (!read_zip64(rest.substr(name_bytes, extra_bytes), std::span(numbers, count)))
    fail(str("the zip64 numbers of the entry ", quote(entry.name), " are incomplete"));
  const bool is_encrypted = number<uint16_t>(record, 8) & 1;
  entry.is_plain = number<uint16_t>(record, 10) == 0 && !is_encrypted;
  if (entry.is_plain && expanded != entry.size_bytes)
    fail(str("the stored zip entry ", quote(entry.name), " has two sizes, ", entry.size_bytes, " and ", expanded));
  at += kCentralBytes + rest.size();
  return entry;
}

const ZipEntry* ZipArchive::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &entries_[found->second];
}

uint64_t ZipArchive::content_offset(const ZipEntry& entry) const {
  if (!entry.is_plain)
    throw OSError(str(mapped_->path(), ": the zip entry ", quote(entry.name),
                      " is compressed or encrypted, which torch.save never does; unpack the archive and zip it anew "
                      "without compression"));
  const auto header = text(entry.header_offset, kLocalBytes, "a zip entry's header");
  if (!header.starts_with(kLocal)) fail(str("the zip entry ", quote(entry.name), " has no header"));
  const uint64_t name_bytes = number<uint16_t>(header, 26), extra_bytes = number<uint16_t>(header, 28);
  if (text(entry.header_offset + kLocalBytes, name_bytes, "a zip entry's name") != entry.name)
    fail(str("the zip entry ", quote(entry.name), " has another name in its header"));
  const uint64_t begin = entry.header_offset + kLocalBytes + name_bytes + extra_bytes;
  static_cast<void>(text(begin, entry.size_bytes, str("the zip entry ", quote(entry.name))));
  return begin;
}

std::span<const std::byte> ZipArchive::content(const ZipEntry& entry) const {
  return mapped_->bytes().subspan(content_offset(entry), entry.size_bytes);
}

void ZipArchive::verify() const {
  uint64_t left = mapped_->bytes().size();  // entries that overlap would make many reads of one file
  for (const auto& entry : entries_) {
    if (entry.size_bytes > left) fail("its zip entries overlap");
    left -= entry.size_bytes;
  }
  for (const auto& entry : entries_)
    if (crc32(content(entry)) != entry.crc)
      fail(str("the bytes of the zip entry ", quote(entry.name), " do not have the checksum that it states"));
}

}  // namespace transformers::detail
