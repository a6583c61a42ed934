#include "transformers/hub/partial_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <random>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/hub/detail/owner.h"

namespace transformers::hub {

namespace fs = std::filesystem;

namespace {

// The table behind the content; native byte order, since a cache is not carried to another machine in mid-download (and
// if it is, the magic number does not fit).
struct TableHead {
  uint64_t magic = 0x1a31'7261'7043'5454;
  int64_t size_bytes = 0, segment_bytes = 0;
  detail::Owner owner = {};
};

constexpr int64_t kMostSegments = 4096;
constexpr int64_t kNoteEvery = 1 << 20;
constexpr auto kForgotten = std::chrono::hours(1);  // after which a file of an unknown owner is taken over

std::vector<Segment> cut(int64_t size_bytes, int64_t segment_bytes) {
  std::vector<Segment> segments;
  for (int64_t at = 0; at < size_bytes; at += segment_bytes)
    segments.push_back({.begin = at, .end = std::min(size_bytes, at + segment_bytes)});
  if (segments.empty()) segments.push_back({});
  return segments;
}

fs::path private_name(const fs::path& blob) {
  std::random_device random;
  char digits[9];
  std::snprintf(digits, sizeof(digits), "%08x", random());
  return str(blob, ".", digits, ".incomplete");
}

}  // namespace

void PartialFile::fail(std::string_view what, int code) const {
  throw OSError(str(blob_.parent_path(), ": ", what, ": ", std::strerror(code),
                    code == EACCES || code == EPERM || code == EROFS ? "; let HF_HUB_CACHE name a folder of yours" : "",
                    code == ENOSPC || code == EDQUOT ? "; make room, what was fetched is kept" : ""));
}

PartialFile::PartialFile(const fs::path& blob, int64_t size_bytes, int64_t segment_bytes, bool may_resume)
    : blob_(blob), size_bytes_(size_bytes) {
  if (may_resume) adopt_fullest();
  if (descriptor_ < 0) create(std::max({segment_bytes, int64_t{1}, (size_bytes + kMostSegments - 1) / kMostSegments}));
}

PartialFile::PartialFile(Found, const fs::path& blob, int64_t size_bytes, const fs::path& file)
    : blob_(blob), size_bytes_(size_bytes) {
  static_cast<void>(take_over(file));
}

PartialFile::~PartialFile() {
  if (descriptor_ < 0) return;
  if (done_bytes() == 0) {
    ::unlink(file_.c_str());
  } else {
    try {
      for (size_t i = 0; i < segments_.size(); ++i) write_done(i);
      write_owner(false);
    } catch (const Error&) {  // the file is then taken over once this process ended
    }
  }
  ::close(descriptor_);
}

int64_t PartialFile::done_bytes() const {
  int64_t sum = 0;
  for (const auto& segment : segments_) sum += segment.done;
  return sum;
}

void PartialFile::adopt_fullest() {
  const auto start = blob_.filename().string() + ".";
  std::vector<fs::path> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(blob_.parent_path(), ignored)) {
    const auto name = entry.path().filename().string();
    if (name.starts_with(start) && name.ends_with(".incomplete")) found.push_back(entry.path());
  }
  for (const auto& file : found) {
    PartialFile other(Found(), blob_, size_bytes_, file);
    if (other.descriptor_ < 0) continue;
    if (descriptor_ < 0 || other.done_bytes() > done_bytes()) swap(other);
    other.discard();  // one is enough
  }
  is_resumed_ = descriptor_ >= 0;
}

void PartialFile::swap(PartialFile& other) {
  std::swap(file_, other.file_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(segments_, other.segments_);
  std::swap(noted_, other.noted_);
}

bool PartialFile::take_over(const fs::path& found) {
  file_ = found;
  descriptor_ = ::open(found.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (descriptor_ >= 0 && open_table()) {
    // Of several processes that want it one succeeds: for the others the name is gone.
    const auto mine = private_name(blob_);
    if (::rename(found.c_str(), mine.c_str()) == 0) {
      file_ = mine;
      write_owner(true);
      return true;
    }
  }
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
  segments_.clear();
  noted_.clear();
  return false;
}

// False when the file is no such file, is for another size, or its owner may still be at work.
bool PartialFile::open_table() {
  struct stat status {};
  TableHead head;
  if (::fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) return false;
  if (status.st_size < size_bytes_ + static_cast<int64_t>(sizeof(head))) return false;
  if (::pread(descriptor_, &head, sizeof(head), size_bytes_) != static_cast<ssize_t>(sizeof(head))) return false;
  if (head.magic != TableHead().magic || head.size_bytes != size_bytes_ || head.segment_bytes <= 0) return false;
  if (size_bytes_ / head.segment_bytes > kMostSegments) return false;
  auto segments = cut(size_bytes_, head.segment_bytes);
  std::vector<int64_t> done(segments.size());
  const auto table_bytes = static_cast<int64_t>(done.size() * sizeof(int64_t));
  const auto table = size_bytes_ + static_cast<int64_t>(sizeof(head));
  if (status.st_size != table + table_bytes) return false;
  if (::pread(descriptor_, done.data(), done.size() * sizeof(int64_t), table) != table_bytes) return false;
  for (size_t i = 0; i < done.size(); ++i) {
    if (done[i] < 0 || done[i] > segments[i].missing()) return false;
    segments[i].done = done[i];
  }
  const auto owner = detail::state_of(head.owner);
  const auto age = std::chrono::system_clock::now() - std::chrono::system_clock::from_time_t(status.st_mtime);
  if (owner == detail::OwnerState::Alive || (owner == detail::OwnerState::Unknown && age < kForgotten)) return false;
  segments_ = std::move(segments);
  noted_ = std::move(done);
  return true;
}

void PartialFile::create(int64_t segment_bytes) {
  struct statvfs disk {};
  if (::statvfs(blob_.parent_path().c_str(), &disk) == 0) {
    const auto free = static_cast<double>(disk.f_bavail) * static_cast<double>(disk.f_frsize);
    if (static_cast<double>(size_bytes_) > free)
      throw OSError(str(blob_.parent_path(), ": the file has ", human_bytes(size_bytes_), ", and the disk has only ",
                        human_bytes(static_cast<int64_t>(free)), " left; make room or let HF_HUB_CACHE name another"));
  }
  file_ = private_name(blob_);
  descriptor_ = ::open(file_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (descriptor_ < 0) fail("no file can be made there", errno);
  segments_ = cut(size_bytes_, segment_bytes);
  noted_.assign(segments_.size(), 0);
  try {
    // Space is taken at once, where the file system can: a full disk is met before the download, not after it.
    if (size_bytes_ > 0 && ::fallocate(descriptor_, 0, 0, size_bytes_) != 0 && errno != EOPNOTSUPP && errno != ENOSYS)
      fail("there is no room for the file", errno);
    write_table();
  } catch (...) {
    discard();
    throw;
  }
}

void PartialFile::write_table() const {
  TableHead head{.size_bytes = size_bytes_,
                 .segment_bytes = std::max<int64_t>(1, segments_.front().end - segments_.front().begin),
                 .owner = detail::this_process()};
  write_at(size_bytes_, &head, sizeof(head));
  write_at(size_bytes_ + static_cast<int64_t>(sizeof(head)), noted_.data(), noted_.size() * sizeof(int64_t));
}

void PartialFile::write_owner(bool is_owned) const {
  const auto owner = is_owned ? detail::this_process() : detail::Owner{};
  write_at(size_bytes_ + static_cast<int64_t>(offsetof(TableHead, owner)), &owner, sizeof(owner));
}

void PartialFile::write_done(size_t segment) {
  if (noted_[segment] == segments_[segment].done) return;
  noted_[segment] = segments_[segment].done;
  const auto offset = static_cast<int64_t>(sizeof(TableHead) + segment * sizeof(int64_t));
  write_at(size_bytes_ + offset, &noted_[segment], sizeof(int64_t));
}

void PartialFile::write_at(int64_t offset, const void* bytes, size_t count) const {
  const auto* next = static_cast<const char*>(bytes);
  while (count > 0) {
    const auto written = ::pwrite(descriptor_, next, count, offset);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail("the file cannot be written", errno);
    next += written;
    offset += written;
    count -= static_cast<size_t>(written);
  }
}

void PartialFile::append(size_t index, std::span<const std::byte> bytes) {
  auto& segment = segments_[index];
  if (static_cast<int64_t>(bytes.size()) > segment.missing()) throw ValueError("more bytes than the segment has");
  write_at(segment.begin + segment.done, bytes.data(), bytes.size());
  segment.done += static_cast<int64_t>(bytes.size());
  // Noted after the bytes themselves; in between at most so much is fetched twice after a crash.
  if (segment.missing() == 0 || segment.done - noted_[index] >= kNoteEvery) write_done(index);
  // The disk begins now, so that the wait at the end is short.
  if (segment.missing() == 0) ::sync_file_range(descriptor_, segment.begin, segment.done, SYNC_FILE_RANGE_WRITE);
}

void PartialFile::read(int64_t begin, std::span<std::byte> bytes) const {
  while (!bytes.empty()) {
    const auto got = ::pread(descriptor_, bytes.data(), bytes.size(), begin);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) fail("the file cannot be read back", got == 0 ? EIO : errno);
    begin += got;
    bytes = bytes.subspan(static_cast<size_t>(got));
  }
}

void PartialFile::publish() {
  // The long wait first: a file without its table cannot be taken over.
  if (::fsync(descriptor_) != 0) fail("the file cannot be written", errno);
  if (::ftruncate(descriptor_, size_bytes_) != 0) fail("the file cannot be cut", errno);
  if (::fsync(descriptor_) != 0) fail("the file cannot be written", errno);
  if (::rename(file_.c_str(), blob_.c_str()) != 0) fail("the file cannot be renamed", errno);
  ::close(std::exchange(descriptor_, -1));
  // The name reaches the disk with the folder.
  const int folder = ::open(blob_.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return;
  static_cast<void>(::fsync(folder));
  ::close(folder);
}

void PartialFile::discard() {
  if (descriptor_ < 0) return;
  ::unlink(file_.c_str());
  ::close(std::exchange(descriptor_, -1));
}

}  // namespace transformers::hub
