#include "transformers/base/partial_folder.h"

#include <gtest/gtest.h>

#include <fstream>
#include <optional>

#include "transformers/base/error.h"
#include "transformers/base/temporary_folder.h"

namespace transformers {
namespace {

namespace fs = std::filesystem;

struct PartialFolderTest : ::testing::Test {
  TemporaryFolder scratch{"partial-folder-test"};
  fs::path target = scratch.path() / "deep" / "target";
  fs::path beside = scratch.path() / "deep" / ".target.transformers-partial";
};

TEST_F(PartialFolderTest, TakesItsPlaceWhenItIsComplete) {
  PartialFolder folder(target);
  std::ofstream(folder.path() / "file") << "x";
  EXPECT_FALSE(fs::exists(target));
  folder.commit();
  EXPECT_TRUE(fs::exists(target / "file"));
  EXPECT_FALSE(fs::exists(beside));
}

TEST_F(PartialFolderTest, LeavesNothingWithoutACommit) {
  std::ofstream((std::optional<PartialFolder>(target)->path() / "file").native()) << "x";
  EXPECT_FALSE(fs::exists(target));
  EXPECT_FALSE(fs::exists(beside));
}

TEST_F(PartialFolderTest, TakesOverWhatAKilledProcessLeft) {
  fs::create_directories(beside / "old");
  const PartialFolder folder(target);
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST_F(PartialFolderTest, IsRefusedWhileAnotherWritesTheSamePlace) {
  PartialFolder first(target);
  std::ofstream(first.path() / "file") << "x";
  EXPECT_THROW(PartialFolder{target}, OSError);
  first.commit();
  EXPECT_TRUE(fs::exists(target / "file"));
}

TEST_F(PartialFolderTest, DoesNotReplaceWhatIsThereMeanwhile) {
  PartialFolder folder(target);
  fs::create_directories(target / "other");
  EXPECT_THROW(folder.commit(), OSError);
  EXPECT_TRUE(fs::exists(target / "other"));
}

}  // namespace
}  // namespace transformers
