#include "transformers/checkpoint/detail/zip_writer.h"

#include "transformers/checkpoint/detail/crc32.h"
#include "transformers/checkpoint/detail/varint.h"

namespace transformers::detail {
namespace {

constexpr uint64_t kAlignment = 64;
constexpr uint64_t kMost32 = 0xffffffff, kMost16 = 0xffff;
constexpr uint64_t kLocalBytes = 30;
constexpr uint16_t kZip64Version = 45, kPlainVersion = 20;
constexpr uint16_t kUtf8Flag = 1 << 11;
// 1 January 1980, the earliest that the format can say: the same weights give the same file.
constexpr uint16_t kTime = 0, kDate = 1 << 5 | 1;
constexpr uint16_t kZip64Field = 1;

template <class T>
void put(std::string& out, uint64_t value) {
  append_little_endian(out, value, sizeof(T));
}

uint64_t cut(uint64_t value, uint64_t most) { return value < most ? value : most; }

// What the local header and the directory's entry share, from the version on.
void put_common(std::string& out, uint16_t version, uint32_t crc, uint64_t size_bytes, size_t name, size_t extra) {
  put<uint16_t>(out, version);
  put<uint16_t>(out, kUtf8Flag);
  put<uint16_t>(out, 0);  // stored
  put<uint16_t>(out, kTime);
  put<uint16_t>(out, kDate);
  put<uint32_t>(out, crc);
  put<uint32_t>(out, cut(size_bytes, kMost32));
  put<uint32_t>(out, cut(size_bytes, kMost32));
  put<uint16_t>(out, name);
  put<uint16_t>(out, extra);
}

std::string zip64_field(uint64_t size_bytes, uint64_t offset) {
  std::string numbers;
  if (size_bytes >= kMost32) put<uint64_t>(numbers, size_bytes), put<uint64_t>(numbers, size_bytes);
  if (offset >= kMost32) put<uint64_t>(numbers, offset);
  std::string field;
  if (numbers.empty()) return field;
  put<uint16_t>(field, kZip64Field);
  put<uint16_t>(field, numbers.size());
  return field + numbers;
}

// A field that only fills: torch uses the same.
std::string padding_field(uint64_t content_begin) {
  std::string field = "FB";
  const uint64_t size = (kAlignment - (content_begin + 4) % kAlignment) % kAlignment;
  put<uint16_t>(field, size);
  return field + std::string(size, 'Z');
}

}  // namespace

void ZipWriter::write(std::string_view text) {
  file_.write(text);
  position_ += text.size();
}

void ZipWriter::add(std::string_view name, std::span<const std::byte> content) {
  const uint64_t begin = position_;
  const auto crc = crc32(content);
  std::string extra = zip64_field(content.size(), 0);
  extra += padding_field(begin + kLocalBytes + name.size() + extra.size());
  const auto in_directory = zip64_field(content.size(), begin);
  const auto version = in_directory.empty() ? kPlainVersion : kZip64Version;
  std::string header = "PK\x03\x04";
  put_common(header, version, crc, content.size(), name.size(), extra.size());
  header.append(name).append(extra);
  write(header);
  file_.write(content);
  position_ += content.size();

  directory_ += "PK\x01\x02";
  put<uint16_t>(directory_, version);
  put_common(directory_, version, crc, content.size(), name.size(), in_directory.size());
  put<uint16_t>(directory_, 0);  // comment
  put<uint16_t>(directory_, 0);  // disk
  put<uint16_t>(directory_, 0);  // attributes, inside and outside
  put<uint32_t>(directory_, 0);
  put<uint32_t>(directory_, cut(begin, kMost32));
  directory_.append(name).append(in_directory);
  ++count_;
}

void ZipWriter::finish() {
  const uint64_t begin = position_, size = directory_.size();
  write(directory_);
  std::string end;
  if (count_ >= kMost16 || begin >= kMost32 || size >= kMost32) {
    const uint64_t at = position_;
    end = "PK\x06\x06";
    put<uint64_t>(end, 44);  // bytes of this record that follow
    put<uint16_t>(end, kZip64Version);
    put<uint16_t>(end, kZip64Version);
    put<uint64_t>(end, 0);  // disks
    for (const uint64_t value : {count_, count_, size, begin}) put<uint64_t>(end, value);
    end += "PK\x06\x07";
    put<uint32_t>(end, 0);
    put<uint64_t>(end, at);
    put<uint32_t>(end, 1);
  }
  end += "PK\x05\x06";
  put<uint32_t>(end, 0);  // disks
  put<uint16_t>(end, cut(count_, kMost16));
  put<uint16_t>(end, cut(count_, kMost16));
  put<uint32_t>(end, cut(size, kMost32));
  put<uint32_t>(end, cut(begin, kMost32));
  put<uint16_t>(end, 0);  // comment
  write(end);
}

}  // namespace transformers::detail
