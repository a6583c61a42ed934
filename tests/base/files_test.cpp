#include "transformers/base/files.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <vector>

#include "transformers/base/error.h"

namespace transformers {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// A folder of its own for each test, gone afterwards.
class Files : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "files_test_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path write(const std::string& name, std::string_view text) {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return folder_ / name;
  }
  size_t entries() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }

  fs::path folder_;
};

TEST_F(Files, WhatIsEvictedLeavesTheCacheAndIsReadAgain) {
  constexpr size_t kPages = 4096;
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  std::string text(kPages * page, 'x');
  text.back() = 'y';
  const auto file = write("large", text);
  const int descriptor = ::open(file.c_str(), O_RDONLY);
  ASSERT_EQ(::fsync(descriptor), 0);  // what is not on the disk cannot be forgotten
  ASSERT_EQ(::posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED), 0);
  ::close(descriptor);
  const auto mapped = MappedFile::open(file);
  const auto cached = [&] {
    std::vector<unsigned char> pages(kPages);
    EXPECT_EQ(::mincore(const_cast<std::byte*>(mapped->bytes().data()), kPages * page, pages.data()), 0);
    return std::count_if(pages.begin(), pages.end(), [](unsigned char state) { return (state & 1) != 0; });
  };
  EXPECT_EQ(text_of(mapped->bytes()), text);
  mapped->advise(mapped->bytes().subspan(1), Advice::Release);
  EXPECT_EQ(cached(), static_cast<long>(kPages));
  EXPECT_EQ(text_of(mapped->bytes()), text);
  mapped->advise(mapped->bytes().subspan(0, kPages * page / 2), Advice::Evict);
  if (cached() == static_cast<long>(kPages)) GTEST_SKIP() << "a file system in memory, or a system that keeps pages";
  EXPECT_LT(cached(), static_cast<long>(kPages) * 3 / 4);
  mapped->advise(mapped->bytes(), Advice::WillNeed);
  EXPECT_EQ(text_of(mapped->bytes()), text);
  std::string elsewhere(2 * page, 'z');
  mapped->advise(std::as_bytes(std::span(elsewhere)), Advice::Evict);
  EXPECT_EQ(elsewhere, std::string(2 * page, 'z'));
}

TEST_F(Files, AMappingSurvivesTheReplacementOfItsFile) {
  const auto file = write("weights", "old bytes");
  const auto mapped = MappedFile::open(file);
  write_text_atomic(file, "new");
  EXPECT_EQ(text_of(mapped->bytes()), "old bytes");
  EXPECT_EQ(text_of(MappedFile::open(file)->bytes()), "new");
  EXPECT_EQ(mapped->path(), file);
}

TEST_F(Files, AnEmptyFileMapsToNoBytes) { EXPECT_TRUE(MappedFile::open(write("empty", ""))->bytes().empty()); }

// C04
TEST_F(Files, OpeningWhatIsNoFileSaysSo) {
  EXPECT_THROW((void)MappedFile::open(folder_ / "absent"), FileNotFoundError);
  EXPECT_THROW((void)read_text(folder_ / "absent"), FileNotFoundError);
  EXPECT_THROW((void)read_text(write("file", "x") / "below"), FileNotFoundError);
  try {
    (void)MappedFile::open(folder_);
    FAIL() << "a folder was mapped";
  } catch (const OSError& error) {
    EXPECT_THAT(error.what(), HasSubstr(folder_.native()));
    EXPECT_THAT(error.what(), HasSubstr("folder"));
  }
}

TEST_F(Files, ANamedPipeIsRefusedAndNotWaitedFor) {
  const auto pipe = folder_ / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THROW((void)MappedFile::open(pipe), OSError);
  EXPECT_THROW((void)read_text(pipe), OSError);
}

TEST_F(Files, TextIsReadWholeUpToItsLimit) {
  const std::string text("a\0b\n", 4);
  const auto file = write("text", text);
  EXPECT_EQ(read_text(file), text);
  EXPECT_EQ(read_text(file, 4), text);
  EXPECT_THROW((void)read_text(file, 3), OSError);
}

TEST_F(Files, AnAtomicFileAppearsWithCommitOnly) {
  const auto target = folder_ / "target";
  AtomicFile out(target);
  out.write("first ");
  out.write(std::as_bytes(std::span("second", 6)));
  EXPECT_FALSE(fs::exists(target));
  out.commit();
  EXPECT_EQ(read_text(target), "first second");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(Files, AnAbandonedAtomicFileLeavesTheOldContentAndNoRest) {
  const auto target = write("target", "old");
  { AtomicFile(target).write("half"); }
  EXPECT_EQ(read_text(target), "old");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(Files, ALinkIsReplacedAndNotWrittenThrough) {
  const auto blob = write("blob", "shared");
  for (const auto& to : {fs::path("blob"), fs::path("nowhere")}) {
    const auto link = folder_ / ("link to " + to.native());
    fs::create_symlink(to, link);
    write_text_atomic(link, "own");
    EXPECT_EQ(fs::symlink_status(link).type(), fs::file_type::regular);
    EXPECT_EQ(read_text(link), "own");
  }
  EXPECT_EQ(read_text(blob), "shared");
  EXPECT_FALSE(fs::exists(folder_ / "nowhere"));
  EXPECT_EQ(entries(), 3u);
}

TEST_F(Files, AReplacedFileHandsOnItsPermissions) {
  const auto mode = [](const fs::path& file) { return static_cast<unsigned>(fs::status(file).permissions()); };
  const mode_t old = ::umask(027);
  const auto fresh = folder_ / "fresh", replaced = write("replaced", "old");
  fs::permissions(replaced, fs::perms{0604});
  write_text_atomic(fresh, "x");
  write_text_atomic(replaced, "new");
  ::umask(old);
  EXPECT_EQ(mode(fresh), 0640u);
  EXPECT_EQ(mode(replaced), 0604u);
}

TEST_F(Files, NamesMayBeAsLongAsTheFileSystemAllows) {
  const auto target = folder_ / std::string(255, 'n');
  write_text_atomic(target, "x");
  EXPECT_EQ(read_text(target), "x");
}

// A limit on the size of files stands for a full disk.
TEST_F(Files, AWriteThatFailsNamesTargetAndReasonAndLeavesNoRest) {
  const auto target = write("target", "old");
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit limit{};
  ::getrlimit(RLIMIT_FSIZE, &limit);
  const rlimit small{.rlim_cur = 4096, .rlim_max = limit.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  std::string message;
  try {
    write_text_atomic(target, std::string(100'000, 'x'));
  } catch (const OSError& error) {
    message = error.what();
  }
  ::setrlimit(RLIMIT_FSIZE, &limit);
  std::signal(SIGXFSZ, handler);
  EXPECT_THAT(message, HasSubstr(target.native()));
  EXPECT_THAT(message, HasSubstr("File too large"));
  EXPECT_EQ(read_text(target), "old");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(Files, TwoWritersOfOneTargetDoNotMix) {
  const auto target = folder_ / "target";
  AtomicFile a(target), b(target);
  a.write("aaaa");
  b.write("bb");
  a.commit();
  b.commit();
  EXPECT_EQ(read_text(target), "bb");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(Files, WritingIntoAMissingFolderNamesTheTarget) {
  try {
    write_text_atomic(folder_ / "absent" / "target", "x");
    FAIL() << "a file was written into a folder that is not there";
  } catch (const OSError& error) {
    EXPECT_THAT(error.what(), HasSubstr("absent/target"));
  }
}

TEST_F(Files, NamesInsideAFolderAreJoined) {
  EXPECT_EQ(path_inside(folder_, "a.safetensors", "index"), folder_ / "a.safetensors");
  EXPECT_EQ(path_inside(folder_, "onnx/model.bin", "index"), folder_ / "onnx/model.bin");
  EXPECT_EQ(path_inside(folder_, "..a", "index"), folder_ / "..a");
}

TEST_F(Files, NamesThatLeadOutOfTheFolderAreRefused) {
  for (const std::string_view name :
       {std::string_view(""), std::string_view("/etc/passwd"), std::string_view("../x"), std::string_view("a/../../x"),
        std::string_view("a/.."), std::string_view("a\0b", 3), std::string_view("C:x"), std::string_view("..\\x")}) {
    try {
      (void)path_inside(folder_, name, "model.safetensors.index.json");
      ADD_FAILURE() << "accepted " << name;
    } catch (const ValueError& error) {
      EXPECT_THAT(error.what(), ::testing::StartsWith("model.safetensors.index.json: ")) << name;
    }
  }
}

TEST(Environment, FlagsKnowTheUsualSpellings) {
  for (const char* yes : {"1", "on", "YES", "True"}) {
    ::setenv("TRANSFORMERS_TEST_FLAG", yes, 1);
    EXPECT_TRUE(environment_flag("TRANSFORMERS_TEST_FLAG")) << yes;
  }
  for (const char* no : {"0", "off", "", "2"}) {
    ::setenv("TRANSFORMERS_TEST_FLAG", no, 1);
    EXPECT_FALSE(environment_flag("TRANSFORMERS_TEST_FLAG")) << no;
    EXPECT_EQ(environment("TRANSFORMERS_TEST_FLAG"), no);
  }
  ::unsetenv("TRANSFORMERS_TEST_FLAG");
  EXPECT_EQ(environment("TRANSFORMERS_TEST_FLAG"), "");
}

TEST_F(Files, KnowTheIndicesOfShards) {  // S02, P50
  for (const char* name :
       {"model.safetensors.index.json", "model.safetensors.index.fp16.json", "tf_model.h5.index.json"})
    EXPECT_TRUE(is_shard_index(name)) << name;
  for (const char* name : {"config.json", "model.safetensors", "model.ckpt.index", "index.json"})
    EXPECT_FALSE(is_shard_index(name)) << name;
}

}  // namespace
}  // namespace transformers
