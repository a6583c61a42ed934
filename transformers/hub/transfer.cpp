#include "transformers/hub/transfer.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <deque>

#include "transformers/base/files.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/hub/api.h"
#include "transformers/hub/detail/prefix_hash.h"
#include "transformers/hub/names.h"
#include "transformers/hub/partial_file.h"
#include "transformers/hub/url.h"

namespace transformers::hub {

namespace {

// The server sends the whole file although a part was asked for: there is no going on in the middle.
struct NoRanges {};
// The answer is of another size than the one that was announced; the hash decides who is right.
struct OtherSize {
  int64_t size_bytes;
};

// "bytes 0-99/1000"
struct ContentRange {
  int64_t begin = -1, total = -1;
};

ContentRange parse_content_range(std::string_view text) {
  ContentRange range;
  if (!text.starts_with("bytes ")) return range;
  text.remove_prefix(6);
  std::from_chars(text.data(), text.data() + text.size(), range.begin);
  const auto slash = text.find('/');
  if (slash != std::string_view::npos) std::from_chars(text.data() + slash + 1, text.data() + text.size(), range.total);
  return range;
}

// One file on its way; shared by the transfers of its ranges.
class Job {
 public:
  Job(const BlobSource& source, PartialFile& file, bool is_whole)
      : source_(source),
        file_(file),
        is_whole_(is_whole),
        hash_(file, source.info.blob),
        location_(source.info.location) {
    for (size_t i = 0; i < file.segments().size(); ++i)
      if (file.segments()[i].missing() > 0) waiting_.push_back(i);
    report(true);
  }

  [[nodiscard]] const BlobSource& source() const { return source_; }
  [[nodiscard]] const PartialFile& file() const { return file_; }
  [[nodiscard]] bool is_whole() const { return is_whole_; }
  [[nodiscard]] const std::string& address() const { return location_.empty() ? source_.url : location_; }
  [[nodiscard]] size_t waiting() const { return waiting_.size(); }
  std::optional<size_t> take() {
    if (waiting_.empty()) return std::nullopt;
    const auto segment = waiting_.front();
    waiting_.pop_front();
    return segment;
  }
  void append(size_t segment, std::span<const std::byte> bytes) {
    file_.append(segment, bytes);
    done_ += static_cast<int64_t>(bytes.size());
    const auto& segments = file_.segments();
    while (first_ < segments.size() && segments[first_].missing() == 0) ++first_;
    hash_.advance(first_ == segments.size() ? file_.size_bytes() : segments[first_].begin + segments[first_].done);
    report(false);
  }
  // Where the Hub led to is asked directly from now on; a signed address that has expired is forgotten.
  void remember(const std::string& address) { location_ = address == source_.url ? "" : address; }
  bool forget_location() { return !std::exchange(location_, "").empty(); }
  [[nodiscard]] std::string flaw() {
    report(true);
    return hash_.flaw();
  }

 private:
  void report(bool is_forced) {
    const auto now = std::chrono::steady_clock::now();
    if (!is_forced && now - reported_ < std::chrono::milliseconds(50)) return;
    reported_ = now;
    const auto phase = str("downloading ", source_.name);
    logging::report_progress({.phase = phase, .done = done_, .total = file_.size_bytes(), .unit = "B"});
  }

  const BlobSource& source_;
  PartialFile& file_;
  bool is_whole_;
  detail::PrefixHash hash_;
  std::string location_;
  std::deque<size_t> waiting_;
  size_t first_ = 0;
  int64_t done_ = file_.done_bytes();
  std::chrono::steady_clock::time_point reported_;
};

// Fetches segments one after the other over one connection.
class SegmentTransfer final : public Transfer {
 public:
  explicit SegmentTransfer(Job& job) : job_(job), segment_(job.take()) {}

  Request request() override {
    const auto& segment = job_.file().segments()[*segment_];
    Request request{.url = job_.address(), .on_own_connection = job_.file().segments().size() > 1};
    // A file that comes in one piece from its start needs no range, which not every server knows.
    const bool is_all = segment.missing() == job_.file().size_bytes();
    if (!is_all && !job_.is_whole()) request.range = {.begin = segment.begin + segment.done, .end = segment.end};
    return request;
  }

  void begin(const Response& head) override {
    const auto& segment = job_.file().segments()[*segment_];
    const auto size_bytes = job_.file().size_bytes();
    const auto encoding = head.headers.find("Content-Encoding");
    if (encoding && to_lower_ascii(*encoding) != "identity")
      throw HubError(str(job_.source().name, ": the server packs the file (", quote(*encoding), "), unasked"));
    if (head.status == 206) {
      const auto range = parse_content_range(head.headers.find("Content-Range").value_or(""));
      if (range.total >= 0 && range.total != size_bytes) throw OtherSize{range.total};
      if (range.begin != segment.begin + segment.done)
        throw HubError(str(job_.source().name, ": the server sends another part of the file than was asked for"));
    } else {
      if (segment.missing() != size_bytes) throw NoRanges();
      if (const auto length = head.headers.number("Content-Length"); length && *length != size_bytes)
        throw OtherSize{*length};
    }
    job_.remember(head.url);
  }

  void data(std::span<const std::byte> bytes) override {
    const auto missing = job_.file().segments()[*segment_].missing();
    if (static_cast<int64_t>(bytes.size()) > missing)
      throw HubError(str(job_.source().name, ": the server sends more than the ", job_.file().size_bytes(),
                         " bytes that the file has"));
    progress_ += static_cast<int64_t>(bytes.size());
    job_.append(*segment_, bytes);
  }

  Next finish(const Response& response) override {
    if (response.status < 200 || response.status > 299) {
      if (response.status < 500 && job_.forget_location()) return Next::Again;
      throw_for_status(response, {.file = job_.source().name});
    }
    if (job_.file().segments()[*segment_].missing() > 0) return Next::Again;
    segment_ = job_.take();
    return segment_ ? Next::Again : Next::Done;
  }

  int64_t progress() const override { return progress_; }

 private:
  Job& job_;
  std::optional<size_t> segment_;
  int64_t progress_ = 0;
};

void run(HttpClient& client, Job& job, int connections) {
  const auto count = std::min(job.waiting(), static_cast<size_t>(std::max(connections, 1)));
  std::deque<SegmentTransfer> transfers;
  std::vector<Transfer*> pointers;
  for (size_t i = 0; i < count; ++i) pointers.push_back(&transfers.emplace_back(job));
  client.run(pointers);
}

void check_pointer(const PartialFile& file, const BlobSource& source) {
  if (file.size_bytes() < 64 || file.size_bytes() > 1024 || is_sha256(source.info.blob)) return;
  std::string text(static_cast<size_t>(file.size_bytes()), '\0');
  file.read(0, std::as_writable_bytes(std::span(text)));
  if (is_lfs_pointer(text))
    throw HubError(str(source.name, ": the server has only the Git LFS pointer of the file, not the file"));
}

// What a server without a length sends is small; it is kept in memory until its size is known.
int64_t fetch_of_unknown_size(HttpClient& client, const BlobSource& source, const std::filesystem::path& blob) {
  const auto response = client.send({.url = source.url});
  throw_for_status(response, {.file = source.name});
  PartialFile file(blob, static_cast<int64_t>(response.body.size()), int64_t{1} << 40, false);
  detail::PrefixHash hash(file, source.info.blob);
  file.append(0, std::as_bytes(std::span(response.body)));
  if (const auto flaw = hash.flaw(); !flaw.empty()) {
    file.discard();
    throw HubError(str(source.name, ": was damaged on the way, ", flaw, "; nothing was kept: try again"));
  }
  file.publish();
  return file.size_bytes();
}

enum class Outcome { Done, StartAnew };

Outcome fetch_once(HttpClient& client, const BlobSource& source, const std::filesystem::path& blob,
                   const TransferTuning& tuning, bool is_whole) {
  const auto size = source.info.size_bytes;
  const bool is_large = !is_whole && size >= tuning.parallel_from_bytes;
  PartialFile file(blob, size, is_large ? tuning.segment_bytes : std::max<int64_t>(size, 1), !is_whole);
  if (file.is_resumed()) logging::info(str(source.name, ": going on after ", human_bytes(file.done_bytes())));
  try {
    Job job(source, file, is_whole);
    if (size > 0) run(client, job, is_large ? tuning.connections : 1);
    check_pointer(file, source);
    if (const auto flaw = job.flaw(); !flaw.empty()) {
      const bool was_resumed = file.is_resumed();
      file.discard();
      if (was_resumed) return Outcome::StartAnew;  // what an earlier process left may be to blame
      throw HubError(str(source.name, ": was damaged on the way, ", flaw, "; nothing was kept: try again"));
    }
    file.publish();
    return Outcome::Done;
  } catch (const NoRanges&) {
    file.discard();
    return Outcome::StartAnew;
  } catch (const OtherSize&) {
    file.discard();
    throw;
  }
}

}  // namespace

bool is_lfs_pointer(std::string_view text) {
  return text.starts_with(kLfsPointerStart) && text.find("\noid sha256:") != text.npos;
}

void fetch_blob(HttpClient& client, const BlobSource& source, const std::filesystem::path& blob,
                const TransferTuning& tuning) {
  if (source.info.size_bytes < 0) {
    static_cast<void>(fetch_of_unknown_size(client, source, blob));
    return;
  }
  auto corrected = source;
  bool is_whole = false;
  for (int attempt = 0; attempt <= client.options().retry.retries + 1; ++attempt) {
    try {
      if (fetch_once(client, corrected, blob, tuning, is_whole) == Outcome::Done) return;
      is_whole = true;
    } catch (const OtherSize& other) {
      const bool is_checked = is_sha256(source.info.blob) || is_commit(source.info.blob);
      if (!is_checked || corrected.info.size_bytes != source.info.size_bytes)
        throw HubError(str(source.name, ": the server sends ", other.size_bytes, " bytes, it had announced ",
                           source.info.size_bytes, "; try again later"));
      corrected.info.size_bytes = other.size_bytes;
    }
  }
  throw ConnectionError(str(source.name,
                            ": the connection breaks before the end, and the server cannot go on in the "
                            "middle of a file"));
}

}  // namespace transformers::hub
