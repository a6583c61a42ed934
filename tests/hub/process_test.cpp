// Several processes, and processes that are killed. TRANSFORMERS_KILLS says how often (default 8).
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <thread>

#include "tests/hub/hub_test.h"
#include "transformers/base/json.h"
#include "transformers/hub/hash.h"

namespace transformers {
namespace {

namespace fs = std::filesystem;
using ::testing::IsEmpty;

struct ProcessTest : hub_tests::HubTest {
  ProcessTest() {
    big = weights(6 << 20);
    commit = server.commit("org/name", {{"config.json", "{}"}, {"model.safetensors", big}});
  }

  static pid_t start(bool all_locks_succeed) {
    std::vector<std::string> words = {TRANSFORMERS_HUB_FETCH};
    if (all_locks_succeed) words.push_back("--all-locks-succeed");
    for (const char* word : {"org/name", "config.json", "model.safetensors"}) words.push_back(word);
    std::vector<char*> pointers;
    for (auto& word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    pid_t process = 0;
    if (::posix_spawn(&process, pointers[0], nullptr, nullptr, pointers.data(), environ) != 0)
      throw std::runtime_error("no process");
    return process;
  }
  static int result(pid_t process) {
    int status = 0;
    ::waitpid(process, &status, 0);
    return status;
  }
  /// Every file under a final name is what it should be.
  void expect_nothing_wrong() const {
    const auto repo = cache / "models--org--name";
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(repo / "blobs", ignored)) {
      if (entry.path().extension() == ".incomplete") continue;
      const auto name = entry.path().filename().native();
      if (name.size() == 64)
        EXPECT_EQ(hub::file_sha256(entry.path()), name);
      else
        EXPECT_EQ(read_text(entry.path()), "{}");
    }
    for (const auto& entry : fs::directory_iterator(repo / "refs", ignored)) EXPECT_EQ(read_text(entry.path()), commit);
    for (const auto& entry : fs::directory_iterator(repo / "trees", ignored))
      EXPECT_NO_THROW(static_cast<void>(Json::parse_file(entry.path())));
    const auto file = repo / "snapshots" / commit / "model.safetensors";
    if (fs::exists(file, ignored)) {
      EXPECT_EQ(read_text(file), big);
    }
  }

  std::string big, commit;
};

TEST_F(ProcessTest, MayFetchTheSameAtOnce) {  // huggingface_hub#4306
  for (const bool all_locks_succeed : {false, true})
    for (const size_t count : {size_t{2}, size_t{8}}) {
      fs::remove_all(cache);
      server.forget_requests();
      std::vector<pid_t> processes;
      for (size_t i = 0; i < count; ++i) processes.push_back(start(all_locks_succeed));
      for (const auto process : processes) EXPECT_EQ(result(process), 0);
      expect_nothing_wrong();
      EXPECT_EQ(read_text(cache / "models--org--name" / "snapshots" / commit / "model.safetensors"), big);
      EXPECT_THAT(leftovers(), IsEmpty());
      if (all_locks_succeed) continue;
      size_t ranges = 0;
      for (const auto& request : server.requests()) ranges += request.is_storage;
      EXPECT_EQ(ranges, big.size() / (64 << 10)) << "one fetches, the others wait";
    }
}

TEST_F(ProcessTest, LeaveNothingWrongWhenTheyAreKilled) {
  const auto wanted = environment("TRANSFORMERS_KILLS");
  const int kills = wanted.empty() ? 8 : std::stoi(wanted);
  std::minstd_rand random(7);
  int killed = 0;
  for (int i = 0; i < kills; ++i) {
    const auto process = start(i % 2 == 1);
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 80'000));
    ::kill(process, SIGKILL);
    killed += WIFSIGNALED(result(process));
    expect_nothing_wrong();
    if (fs::exists(cache / "models--org--name" / "snapshots" / commit / "model.safetensors")) fs::remove_all(cache);
  }
  EXPECT_GT(killed, 0);
  EXPECT_EQ(result(start(false)), 0);
  expect_nothing_wrong();
  EXPECT_EQ(read_text(cache / "models--org--name" / "snapshots" / commit / "model.safetensors"), big);
}

TEST_F(ProcessTest, GoOnWhereAKilledOneStopped) {
  server.add_fault({.kind = hub_tests::Fault::Kind::Stall, .target = "/lfs/", .times = -1, .number = 32 << 10});
  const auto process = start(false);
  for (int i = 0; i < 500; ++i) {  // until four connections stall in the middle of their first pieces
    int ranges = 0;
    for (const auto& request : server.requests()) ranges += request.is_storage;
    if (ranges >= 4) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ::kill(process, SIGKILL);
  EXPECT_TRUE(WIFSIGNALED(result(process)));
  ASSERT_EQ(leftovers().size(), 1U);
  server.clear_faults();
  EXPECT_EQ(result(start(true)), 0);
  EXPECT_THAT(leftovers(), IsEmpty()) << "the dead one's file was taken over";
  expect_nothing_wrong();
}

}  // namespace
}  // namespace transformers
