#include "transformers/base/file_transaction.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "transformers/base/error.h"
#include "transformers/base/files.h"
#include "transformers/base/strings.h"

namespace transformers {
namespace {

namespace fs = std::filesystem;

using Contents = std::map<std::string, std::string>;

const Contents kOld{{"config.json", "old"},
                    {"model-00001-of-00002.safetensors", "old"},
                    {"model-00002-of-00002.safetensors", "old"},
                    {"model.safetensors.index.json", "old"},
                    {"notes.txt", "mine"}};
const Contents kNew{{"config.json", "new"},
                    {"model-00001-of-00001.safetensors", "new"},
                    {"model.safetensors.index.json", "new"},
                    {"notes.txt", "mine"}};

class Transaction : public ::testing::Test {
 protected:
  Transaction() {
    std::string name = (fs::temp_directory_path() / "transaction-XXXXXX").native();
    folder_ = ::mkdtemp(name.data());
  }
  ~Transaction() override { fs::remove_all(folder_); }

  void fill() {
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "subfolder");
    for (const auto& [name, text] : kOld) std::ofstream(folder_ / name) << text;
  }
  [[nodiscard]] Contents contents() const {
    Contents out;
    for (const auto& entry : fs::directory_iterator(folder_))
      if (entry.is_regular_file()) out[entry.path().filename()] = read_text(entry.path());
    return out;
  }
  // The exit code of the program that saves, -1 when it was killed.
  [[nodiscard]] int save(int fault_at, const std::string& mode) const {
    std::vector<std::string> environment{str("LD_PRELOAD=", TRANSFORMERS_FILE_FAULTS), str("FAULT_AT=", fault_at),
                                         str("FAULT_MODE=", mode), str("FAULT_UNDER=", folder_.native()),
                                         "ASAN_OPTIONS=verify_asan_link_order=0"};
    std::vector<char*> variables;
    for (auto& variable : environment) variables.push_back(variable.data());
    variables.push_back(nullptr);
    std::string program = TRANSFORMERS_SAVE_VICTIM, argument = folder_.native();
    char* arguments[] = {program.data(), argument.data(), nullptr};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    pid_t child = 0;
    int status = 0;
    EXPECT_EQ(::posix_spawn(&child, program.c_str(), &actions, nullptr, arguments, variables.data()), 0);
    posix_spawn_file_actions_destroy(&actions);
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  // Runs into a fault at every step there is; returns the number of steps.
  int fail_everywhere(const std::string& mode) {
    for (int step = 1; step < 1000; ++step) {
      fill();
      const int result = save(step, mode);
      finish_transactions(folder_);
      const auto found = contents();
      EXPECT_TRUE(found == kOld || found == kNew) << mode << " at step " << step << " left a mixture";
      EXPECT_TRUE(fs::is_directory(folder_ / "subfolder"));
      EXPECT_EQ(save(0, "none"), 0) << "after " << mode << " at step " << step;
      EXPECT_EQ(contents(), kNew);
      EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 5) << "something is left of step " << step;
      if (result == 0 && mode == "kill") return step;
      if (result == 0 && found == kNew && step > 40) return step;
    }
    return 1000;
  }

  fs::path folder_;
};

TEST_F(Transaction, LeavesTheOldOrTheNewFilesWhereverItIsKilled) {  // S10, P48
  const int steps = fail_everywhere("kill");
  EXPECT_GT(steps, 15);
  EXPECT_LT(steps, 1000);
}

TEST_F(Transaction, LeavesTheOldOrTheNewFilesWhicheverCallFails) { EXPECT_LT(fail_everywhere("error"), 1000); }

TEST_F(Transaction, LeavesTheOldOrTheNewFilesWhenTheDiskIsFull) { EXPECT_LT(fail_everywhere("full"), 1000); }

TEST_F(Transaction, ForgetsWhatIsNotCommitted) {
  fill();
  {
    FileTransaction transaction(folder_);
    write_text_atomic(transaction.stage("config.json"), "new");
    EXPECT_EQ(contents(), kOld);
  }
  EXPECT_EQ(contents(), kOld);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 6);
}

TEST_F(Transaction, LetsTwoSaversOfOneFolderFollowEachOther) {
  fill();
  FileTransaction first(folder_);
  FileTransaction second(folder_);  // does not take the first one's files for abandoned
  write_text_atomic(first.stage("config.json"), "first");
  write_text_atomic(second.stage("config.json"), "second");
  first.commit();
  EXPECT_EQ(contents()["config.json"], "first");
  second.commit();
  EXPECT_EQ(contents()["config.json"], "second");
}

TEST_F(Transaction, TakesPlainNamesOnly) {
  FileTransaction transaction(folder_);
  for (const std::string name : {"", "..", "a//b", "a/../b", "a/.b", "a/", "/etc/passwd", ".hidden"}) {
    EXPECT_THROW((void)transaction.stage(name), ValueError) << name;
    EXPECT_THROW(transaction.remove(name), ValueError) << name;
  }
}

TEST_F(Transaction, FillsFoldersInside) {
  fill();
  fs::create_directories(folder_ / "1_Pooling");
  std::ofstream(folder_ / "1_Pooling/notes.txt") << "mine";
  const auto save = [&](bool commits) {
    FileTransaction transaction(folder_);
    write_text_atomic(transaction.stage("1_Pooling/config.json"), "new");
    write_text_atomic(transaction.stage("deep/er/config.json"), "new");
    write_text_atomic(transaction.stage("config.json"), "new");
    if (commits) transaction.commit();
  };
  save(false);
  EXPECT_EQ(contents(), kOld);
  EXPECT_FALSE(fs::exists(folder_ / "1_Pooling/config.json") || fs::exists(folder_ / "deep"));
  save(true);
  EXPECT_EQ(contents()["config.json"], "new");
  for (const auto* name : {"1_Pooling/config.json", "deep/er/config.json"})
    EXPECT_EQ(read_text(folder_ / name), "new") << name;
  EXPECT_EQ(read_text(folder_ / "1_Pooling/notes.txt"), "mine");
}

TEST_F(Transaction, FillsNoFolderThroughALink) {
  fill();
  fs::create_directory_symlink("subfolder", folder_ / "1_Pooling");
  FileTransaction transaction(folder_);
  EXPECT_THROW((void)transaction.stage("1_Pooling/config.json"), OSError);
  // Not even when the link comes later.
  fs::remove(folder_ / "1_Pooling");
  write_text_atomic(transaction.stage("1_Pooling/config.json"), "new");
  fs::create_directory_symlink("subfolder", folder_ / "1_Pooling");
  EXPECT_THROW(transaction.commit(), OSError);
  EXPECT_TRUE(fs::is_empty(folder_ / "subfolder"));
}

TEST_F(Transaction, RemovesNothingOutsideTheFolder) {
  fill();
  fs::create_directories(folder_ / ".transformers-committed");
  std::ofstream(folder_ / ".transformers-committed" / ".removals") << "subfolder/../../victim" << '\0';
  EXPECT_THROW(finish_transactions(folder_), ValueError);
  EXPECT_EQ(contents(), kOld);
}

TEST_F(Transaction, LeavesWhatItDidNotWriteAlone) {
  fill();
  const auto victim = folder_ / "subfolder";
  std::ofstream(victim / "keep.txt") << "mine";
  fs::create_directory_symlink("subfolder", folder_ / ".transformers-committed");
  finish_transactions(folder_);
  {
    FileTransaction transaction(folder_);
    write_text_atomic(transaction.stage("config.json"), "new");
    EXPECT_THROW(transaction.commit(), OSError);
  }
  EXPECT_EQ(contents(), kOld);
  EXPECT_TRUE(fs::exists(victim / "keep.txt"));
  fs::remove(folder_ / ".transformers-committed");
  fs::create_directories(folder_ / ".transformers-committed");
  fs::create_symlink("/etc/passwd", folder_ / ".transformers-committed" / "config.json");
  EXPECT_THROW(finish_transactions(folder_), OSError);
  EXPECT_EQ(contents(), kOld);
}

TEST_F(Transaction, SaysWhichFolderCannotBeWritten) {
  write_text_atomic(folder_ / "file", "");
  EXPECT_THROW(FileTransaction(folder_ / "file"), OSError);
}

}  // namespace
}  // namespace transformers
