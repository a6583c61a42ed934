#include "transformers/base/files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <random>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"

namespace transformers {

namespace fs = std::filesystem;

namespace {

[[noreturn]] void fail(const fs::path& file, std::string_view what, int code) {
  const auto text = str(file, ": ", what, ": ", std::strerror(code));
  if (code == ENOENT || code == ENOTDIR) throw FileNotFoundError(str(file, ": no such file"));
  throw OSError(text);
}

// Closes on every way out.
struct Descriptor {
  explicit Descriptor(int opened) : value(opened) {}
  ~Descriptor() {
    if (value >= 0) ::close(value);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int value;
};

struct stat regular_file(int descriptor, const fs::path& file) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) fail(file, "cannot be examined", errno);
  if (S_ISDIR(status.st_mode)) throw OSError(str(file, ": is a folder, expected a file"));
  if (!S_ISREG(status.st_mode)) throw OSError(str(file, ": is not a regular file"));
  return status;
}

int open_for_reading(const fs::path& file) {
  // Non-blocking, or a named pipe in the place of a model file would wait for a writer for ever.
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) fail(file, "cannot be opened", errno);
  return descriptor;
}

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const fs::path& file) {
  const Descriptor descriptor(open_for_reading(file));
  const auto status = regular_file(descriptor.value, file);
  std::shared_ptr<MappedFile> mapped(new MappedFile());
  mapped->path_ = file;
  if (status.st_size == 0) return mapped;
  const auto size = static_cast<size_t>(status.st_size);
  // Private and writable: training in place copies the pages that it changes; the file stays as it is.
  void* address = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, descriptor.value, 0);
  if (address == MAP_FAILED) fail(file, "cannot be mapped", errno);
  mapped->data_ = static_cast<const std::byte*>(address);
  mapped->size_ = size;
  return mapped;
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
}

void MappedFile::advise(std::span<const std::byte> part, Advice advice) const {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  auto begin = reinterpret_cast<uintptr_t>(part.data()), end = begin + part.size();
  if (part.data() < data_ || part.data() + part.size() > data_ + size_) return;
  if (advice == Advice::WillNeed) {
    begin = begin / page * page;
  } else {  // pages that others have a share in stay
    begin = (begin + page - 1) / page * page;
    end = end / page * page;
  }
  if (end <= begin) return;
  const auto tell = [&](int what) { (void)::madvise(reinterpret_cast<void*>(begin), end - begin, what); };
  if (advice == Advice::WillNeed) return tell(MADV_WILLNEED);
  tell(MADV_DONTNEED);
  if (advice != Advice::Evict) return;
  // MADV_PAGEOUT needs no descriptor, and takes ten times as long. A file that has taken this one's place loses a part
  // of its cache.
  const Descriptor descriptor(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (descriptor.value < 0) return;
  const auto offset = static_cast<off_t>(begin - reinterpret_cast<uintptr_t>(data_));
  (void)::posix_fadvise(descriptor.value, offset, static_cast<off_t>(end - begin), POSIX_FADV_DONTNEED);
}

std::string read_text(const fs::path& file, int64_t most_bytes) {
  constexpr size_t kBlock = 4096;
  const Descriptor descriptor(open_for_reading(file));
  const auto status = regular_file(descriptor.value, file);
  if (status.st_size > most_bytes)
    throw OSError(str(file, ": has ", int64_t{status.st_size}, " bytes, at most ", most_bytes, " are expected"));
  // The system's own files are longer than they say: of those below /proc the size is 0.
  std::string text(static_cast<size_t>(status.st_size) + 1, '\0');
  for (size_t done = 0;;) {
    if (done == text.size()) text.resize(done + kBlock);
    const auto got = ::read(descriptor.value, text.data() + done, text.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(file, "cannot be read", errno);
    done += static_cast<size_t>(got);
    if (static_cast<int64_t>(done) > most_bytes)
      throw OSError(str(file, ": has more than the ", most_bytes, " bytes that are expected at most"));
    if (got > 0) continue;
    text.resize(done);
    return text;
  }
}

namespace {

// A name that no other writer has, here or on another machine that shares the folder.
fs::path temporary_beside(const fs::path& target) {
  constexpr size_t kMostName = 100;  // of the target's: a name of 255 bytes is as long as names get
  constexpr char kHex[] = "0123456789abcdef";
  std::random_device random;
  std::string suffix;
  for (int i = 0; i < 16; ++i) suffix += kHex[random() & 15];
  const auto folder = target.has_parent_path() ? target.parent_path() : fs::path(".");
  return folder /
         str(".", target.filename().native().substr(0, kMostName), ".", int64_t{::getpid()}, "-", suffix, ".tmp");
}

}  // namespace

AtomicFile::AtomicFile(fs::path target) : target_(std::move(target)) {
  struct stat status {};
  // A rename would put a regular file in the place of a device, a pipe or a folder.
  if (::stat(target_.c_str(), &status) == 0 && !S_ISREG(status.st_mode))
    throw OSError(str(target_, ": exists and is not a regular file; name another"));
  const bool replaces = ::lstat(target_.c_str(), &status) == 0 && S_ISREG(status.st_mode);
  const mode_t mode = replaces ? status.st_mode & 0777 : 0666;
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
  for (int tries = 0; descriptor_ < 0 && tries < 3; ++tries) {
    temporary_ = temporary_beside(target_);
    descriptor_ = ::open(temporary_.c_str(), kFlags, mode);
    if (descriptor_ < 0 && errno != EEXIST) break;
  }
  if (descriptor_ < 0) throw OSError(str(target_, ": cannot be written: ", std::strerror(errno)));
  // What the umask took away from the old file's mode; a file system without modes may refuse.
  if (replaces) static_cast<void>(::fchmod(descriptor_, mode) == 0);
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    constexpr size_t kChunk = size_t{1} << 30;  // Linux writes at most 2 GiB at once
    const auto done = ::write(descriptor_, bytes.data(), std::min(bytes.size(), kChunk));
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0)
      throw OSError(
          str(target_, ": cannot be written, the old content is kept: ", std::strerror(done < 0 ? errno : EIO)));
    bytes = bytes.subspan(static_cast<size_t>(done));
  }
}

void AtomicFile::write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }

void AtomicFile::commit() {
  if (::fsync(descriptor_) != 0 && errno != EINVAL && errno != EROFS)
    throw OSError(str(target_, ": cannot be synced, the old content is kept: ", std::strerror(errno)));
  const int closed = ::close(descriptor_);
  descriptor_ = -1;
  if (closed != 0) throw OSError(str(target_, ": cannot be written, the old content is kept: ", std::strerror(errno)));
  if (::rename(temporary_.c_str(), target_.c_str()) != 0)
    throw OSError(str(target_, ": cannot be replaced: ", std::strerror(errno)));
  temporary_.clear();
  // The rename itself is durable only when the folder is synced too; a folder that cannot be opened is no failure.
  const Descriptor folder(
      ::open(target_.has_parent_path() ? target_.parent_path().c_str() : ".", O_RDONLY | O_CLOEXEC));
  if (folder.value >= 0 && ::fsync(folder.value) != 0 && errno == EIO)
    throw OSError(str(target_, ": was replaced, but its folder cannot be synced: ", std::strerror(errno)));
}

void write_text_atomic(const fs::path& file, std::string_view text) {
  AtomicFile out(file);
  out.write(text);
  out.commit();
}

bool is_shard_index(std::string_view name) {
  return name.ends_with(".json") && name.find(".index.") != std::string_view::npos;
}

fs::path path_inside(const fs::path& folder, std::string_view name, std::string_view what) {
  const auto refuse = [&](std::string_view why) {
    throw ValueError(str(what, ": the file name ", quote(name), " ", why, "; names must stay inside ", folder));
  };
  if (name.empty()) refuse("is empty");
  if (name.find('\0') != std::string_view::npos) refuse("holds a NUL");
  if (name.find('\\') != std::string_view::npos) refuse("holds a backslash");
  if (name.size() > 1 && name[1] == ':') refuse("begins with a drive");
  const fs::path relative{std::string(name)};
  if (relative.is_absolute()) refuse("is absolute");
  for (const auto& part : relative)
    if (part == "..") refuse("holds '..'");
  return folder / relative;
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

bool environment_flag(const char* name) {
  const auto value = to_lower_ascii(environment(name));
  return value == "1" || value == "on" || value == "yes" || value == "true";
}

}  // namespace transformers
