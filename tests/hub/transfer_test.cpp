// What goes wrong on the way.
#include "transformers/hub/transfer.h"

#include <fcntl.h>
#include <sys/file.h>

#include <thread>

#include "tests/hub/hub_test.h"
#include "transformers/base/logging.h"
#include "transformers/hub/detail/owner.h"
#include "transformers/hub/download.h"
#include "transformers/hub/partial_file.h"

namespace transformers {
namespace {

namespace fs = std::filesystem;
using hub_tests::Fault;
using hub_tests::message_of;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using Kind = Fault::Kind;

constexpr int64_t kPiece = 64 << 10;

struct TransferTest : hub_tests::HubTest {
  TransferTest() {
    big = weights(16 * kPiece + 77);
    server.commit("org/name", {{"config.json", "{\"a\": 1}"}, {"model.safetensors", big}});
    // Small, so that small files take the ways of large ones.
    options.tuning = {.connections = 4, .parallel_from_bytes = 4 * kPiece, .segment_bytes = 2 * kPiece};
  }
  std::string fetch(const std::string& file = "model.safetensors") {
    return read_text(cached_file("org/name", file, options).value());
  }
  /// One after the other in one piece.
  void one_connection() { options.tuning.parallel_from_bytes = int64_t{1} << 40; }
  [[nodiscard]] bool has_blobs() const {
    const auto folder = cache / "models--org--name" / "blobs";
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(folder, ignored))
      if (entry.path().extension() != ".incomplete" && entry.file_size() > 1000) return true;
    return false;
  }
  /// Bytes asked of the storage, by the ranges of the requests.
  [[nodiscard]] int64_t asked_bytes() const {
    int64_t sum = 0;
    for (const auto& request : server.requests()) {
      if (!request.is_storage) continue;
      long begin = 0, end = static_cast<long>(big.size()) - 1;
      if (!request.range.empty() && std::sscanf(request.range.c_str(), "bytes=%ld-%ld", &begin, &end) != 2) return -1;
      sum += end - begin + 1;
    }
    return sum;
  }

  std::string big;
};

TEST_F(TransferTest, FetchesLargeFilesByRangesSideBySide) {
  EXPECT_EQ(fetch(), big);
  EXPECT_EQ(asked_bytes(), static_cast<int64_t>(big.size())) << "every byte once";
  int redirects = 0;
  for (const auto& request : server.requests())
    redirects += request.method == "GET" && request.target.find("/resolve/") != std::string::npos;
  EXPECT_LE(redirects, 4) << "the storage's address is kept";
}

TEST_F(TransferTest, GoesOnWhereAConnectionBroke) {
  for (const bool is_parallel : {true, false}) {
    if (!is_parallel) one_connection();
    server.forget_requests();
    server.add_fault({.kind = Kind::Cut, .target = "/lfs/", .times = -1, .number = kPiece});
    options.force_download = true;
    EXPECT_EQ(fetch(), big) << "cut after every 64 KiB";
    EXPECT_GE(server.requests().size(), 16U);
    EXPECT_LE(asked_bytes(), static_cast<int64_t>(big.size()) * (is_parallel ? 2 : 10));
    server.clear_faults();
  }
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST_F(TransferTest, GivesUpWhenNothingComes) {
  server.add_fault({.kind = Kind::Cut, .target = "/lfs/", .times = -1, .number = 0});
  EXPECT_THAT(message_of<HubError>([&] { fetch(); }), AllOf(HasSubstr("/lfs/"), Not(HasSubstr("secret"))));
  EXPECT_FALSE(has_blobs());
  EXPECT_THAT(leftovers(), IsEmpty()) << "there is nothing to keep";
}

TEST_F(TransferTest, GoesOnInALaterCall) {
  one_connection();
  options.retry.retries = 0;
  server.add_fault({.kind = Kind::Cut, .target = "/lfs/", .times = 1, .number = 5 * kPiece});
  EXPECT_THROW(fetch(), HubError);
  EXPECT_FALSE(has_blobs());
  EXPECT_THAT(leftovers(), SizeIs(1));
  server.forget_requests();
  EXPECT_EQ(fetch(), big);
  EXPECT_EQ(asked_bytes(), static_cast<int64_t>(big.size()) - 5 * kPiece);
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST_F(TransferTest, StartsAnewWhenTheRestDoesNotFit) {
  one_connection();
  options.retry.retries = 0;
  server.add_fault({.kind = Kind::Cut, .target = "/lfs/", .times = 1, .number = 5 * kPiece});
  EXPECT_THROW(fetch(), HubError);
  for (const auto& entry : fs::directory_iterator(cache / "models--org--name" / "blobs")) {
    std::fstream file(entry.path(), std::ios::in | std::ios::out);
    if (entry.path().extension() == ".incomplete") file.write("damaged", 7);
  }
  EXPECT_EQ(fetch(), big);
}

TEST_F(TransferTest, ManagesWithServersWithoutRanges) {
  server.add_fault({.kind = Kind::NoRanges, .target = "/lfs/", .times = -1});
  EXPECT_EQ(fetch(), big);
  server.clear_faults();
  server.add_fault({.kind = Kind::Cut, .target = "/lfs/", .times = 1, .number = kPiece});
  server.add_fault({.kind = Kind::NoRanges, .target = "/lfs/", .times = -1});
  options.force_download = true;
  EXPECT_EQ(fetch(), big) << "from the start, since there is no going on";
}

TEST_F(TransferTest, RefusesAContentWithAnotherHash) {
  for (const std::string file : {"model.safetensors", "config.json"}) {
    server.add_fault({.kind = Kind::WrongByte,
                      .method = "GET",
                      .target = file == "config.json" ? file : "/lfs/",
                      .times = -1,
                      .number = 3});
    EXPECT_THAT(message_of<HubError>([&] { fetch(file); }), AllOf(HasSubstr(file), HasSubstr("damaged on the way")));
    server.clear_faults();
    EXPECT_FALSE(has_blobs());
    EXPECT_THAT(leftovers(), IsEmpty());
  }
  EXPECT_EQ(fetch(), big);
}

TEST_F(TransferTest, RefusesOtherLengths) {
  for (const int64_t length :
       {int64_t{10}, static_cast<int64_t>(big.size()) - 1, static_cast<int64_t>(big.size()) + 1}) {
    server.add_fault({.kind = Kind::WrongLength, .target = "/lfs/", .times = -1, .number = length});
    EXPECT_THROW(fetch(), HubError) << length;
    EXPECT_FALSE(has_blobs()) << length;
    server.clear_faults();
  }
  EXPECT_EQ(fetch(), big);
}

TEST_F(TransferTest, TrustsTheHashWhenSizesDisagree) {  // huggingface_hub 5ac97119b
  server.add_fault({.kind = Kind::Status, .target = "/tree/", .times = -1, .number = 404});  // so that a HEAD is asked
  for (const int64_t lie : {int64_t{5}, static_cast<int64_t>(big.size()) * 3}) {
    server.add_fault(
        {.kind = Kind::LinkedSize, .method = "HEAD", .target = "model.safetensors", .times = 1, .number = lie});
    options.force_download = true;
    EXPECT_EQ(fetch(), big) << lie;
  }
  server.add_fault({.kind = Kind::LinkedSize,
                    .method = "HEAD",
                    .target = "model.safetensors",
                    .times = 1,
                    .number = int64_t{1} << 60});
  EXPECT_THAT(message_of<OSError>([&] { fetch(); }), HasSubstr("left")) << "more than any disk has";
}

TEST_F(TransferTest, FetchesFilesOfUnknownSize) {
  server.add_fault({.kind = Kind::Status, .target = "/tree/", .times = -1, .number = 404});
  server.add_fault({.kind = Kind::NoSize, .method = "HEAD", .target = "model.safetensors", .times = 1});
  EXPECT_EQ(fetch(), big);
}

TEST_F(TransferTest, TriesAgainWhenTheServerIsBusy) {
  for (const int status : {500, 502, 503, 504, 429}) {
    server.add_fault({.kind = Kind::Status, .method = "HEAD", .times = 2, .number = status});
    server.add_fault({.kind = Kind::Status, .target = "/lfs/", .times = 3, .number = status});
    hub::Repository repository("org/name", options);
    options.force_download = true;
    EXPECT_EQ(fetch(), big) << status;
    server.clear_faults();
  }
}

TEST_F(TransferTest, WaitsAsLongAsTheServerSays) {
  server.add_fault({.kind = Kind::Status, .method = "HEAD", .times = 1, .number = 429, .text = "1"});
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(fetch("config.json"), "{\"a\": 1}");
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(1000));
  server.add_fault({.kind = Kind::Status, .target = "/lfs/", .times = -1, .number = 503, .text = "86400"});
  EXPECT_THAT(message_of<HubError>([&] { fetch(); }), HasSubstr("503")) << "not for a day";
}

TEST_F(TransferTest, DoesNotWaitForAServerThatStalls) {
  set("HF_HUB_DOWNLOAD_TIMEOUT", "1");
  one_connection();
  server.add_fault({.kind = Kind::Stall, .target = "/lfs/", .times = 1, .number = 3 * kPiece});
  EXPECT_EQ(fetch(), big);
}

TEST_F(TransferTest, EndsRedirectsThatLeadNowhere) {
  server.add_fault({.kind = Kind::RedirectLoop, .method = "HEAD", .times = -1});
  EXPECT_THAT(message_of<HubError>([&] { fetch(); }), HasSubstr("redirects"));
  EXPECT_LE(server.requests().size(), 12U);
  server.clear_faults();
  for (const char* place : {"file:///etc/passwd", "ftp://127.0.0.1/x", "http://user:word@127.0.0.1/"}) {
    // Every time: a piece that failed once is asked for again, and would then come.
    server.add_fault({.kind = Kind::RedirectTo, .method = "GET", .target = "/lfs/", .times = -1, .text = place});
    EXPECT_THROW(fetch(), Error) << place;
    server.clear_faults();
  }
}

TEST_F(TransferTest, AsksTheHubAgainWhenASignedAddressHasExpired) {
  one_connection();
  server.add_fault({.kind = Kind::Cut, .target = "/lfs/", .times = 1, .number = kPiece});
  server.add_fault({.kind = Kind::Status, .target = "/lfs/", .times = 1, .number = 403});
  EXPECT_EQ(fetch(), big);
}

TEST_F(TransferTest, TellsAnLfsPointerFromAFile) {
  const std::string pointer =
      "version https://git-lfs.github.com/spec/v1\noid sha256:" + std::string(64, 'a') + "\nsize 12345\n";
  server.commit("org/pointer", {{"weights.onnx", pointer}});
  EXPECT_THAT(message_of<HubError>([&] { static_cast<void>(cached_file("org/pointer", "weights.onnx", options)); }),
              AllOf(HasSubstr("weights.onnx"), HasSubstr("LFS pointer")));
}

TEST_F(TransferTest, FetchesEmptyFiles) {
  server.commit("org/empty", {{"empty.txt", ""}, {"empty.bin", ""}});
  EXPECT_EQ(read_text(cached_file("org/empty", "empty.txt", options).value()), "");
  EXPECT_EQ(read_text(cached_file("org/empty", "empty.bin", options).value()), "");
}

TEST_F(TransferTest, ReportsItsProgress) {
  int64_t last = -1, total = 0;
  logging::set_progress_observer([&](const logging::Progress& progress) {
    if (progress.unit != "B" || progress.phase.find("model.safetensors") == std::string::npos) return;
    EXPECT_GE(progress.done, last);
    last = progress.done, total = progress.total;
  });
  fetch();
  logging::set_progress_observer({});
  EXPECT_EQ(last, static_cast<int64_t>(big.size()));
  EXPECT_EQ(total, last);
}

TEST_F(TransferTest, WaitsForAnotherThatFetchesTheSame) {  // huggingface_hub#2543
  fetch("config.json");
  const auto blob = fs::read_symlink(cached_file("org/name", "config.json", options).value()).filename();
  const auto lock = cache / ".locks" / "models--org--name" / (blob.native() + ".lock");
  const int held = ::open(lock.c_str(), O_RDWR);
  ASSERT_EQ(::flock(held, LOCK_EX), 0);
  options.force_download = true;
  options.lock.message_every_s = 0.02;
  options.lock.most_idle_s = 0.1;
  const logging::Capture capture;
  EXPECT_EQ(fetch("config.json"), "{\"a\": 1}");
  EXPECT_TRUE(capture.contains("waiting for another process", logging::Level::Warning));
  EXPECT_TRUE(capture.contains("going on without it", logging::Level::Warning));
  ::close(held);
}

TEST_F(TransferTest, NeedsNoLocksToBeRight) {  // huggingface_hub#4306
  options.lock.try_lock = [](int) { return true; };
  std::vector<std::thread> threads;
  std::vector<std::string> got(8);
  server.add_fault({.kind = Kind::Cut, .target = "/lfs/", .times = 20, .number = 3 * kPiece});
  for (auto& text : got) threads.emplace_back([this, &text] { text = fetch(); });
  for (auto& thread : threads) thread.join();
  for (const auto& text : got) EXPECT_EQ(text, big);
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST(PartialFile, IsTakenOverOnlyFromTheDead) {
  std::string name = (fs::temp_directory_path() / "partial-XXXXXX").native();
  ASSERT_NE(::mkdtemp(name.data()), nullptr);
  const fs::path blob = fs::path(name) / "blob";
  const std::string bytes(1000, 'x');
  {
    hub::PartialFile alive(blob, 4000, 1000);
    alive.append(1, std::as_bytes(std::span(bytes)));
    hub::PartialFile second(blob, 4000, 1000);
    EXPECT_FALSE(second.is_resumed()) << "its owner is at work";
  }
  {
    hub::PartialFile other_size(blob, 5000, 1000);
    EXPECT_FALSE(other_size.is_resumed());
    hub::PartialFile next(blob, 4000, 500);
    EXPECT_TRUE(next.is_resumed());
    EXPECT_EQ(next.done_bytes(), 1000);
    EXPECT_EQ(next.segments()[1].missing(), 0);
    EXPECT_THROW(next.append(1, std::as_bytes(std::span(bytes))), ValueError);
  }
  for (const auto& entry : fs::directory_iterator(name)) fs::resize_file(entry.path(), 4010);
  EXPECT_FALSE(hub::PartialFile(blob, 4000, 1000).is_resumed()) << "the table is cut off";
  fs::remove_all(name);
}

TEST(Owner, IsKnownByMoreThanItsNumber) {
  const auto self = hub::detail::this_process();
  EXPECT_EQ(hub::detail::state_of(self), hub::detail::OwnerState::Alive);
  auto other = self;
  other.started += 1;
  EXPECT_EQ(hub::detail::state_of(other), hub::detail::OwnerState::Gone) << "the number was given away again";
  other = self;
  other.machine[0] ^= 1;
  EXPECT_EQ(hub::detail::state_of(other), hub::detail::OwnerState::Unknown);
  EXPECT_EQ(hub::detail::state_of({}), hub::detail::OwnerState::Gone);
}

}  // namespace
}  // namespace transformers
