#include "transformers/base/temporary_folder.h"

#include <gtest/gtest.h>

#include <fstream>

#include "transformers/base/error.h"

namespace transformers {
namespace {

namespace fs = std::filesystem;

TEST(TemporaryFolders, GoAwayWithWhatIsInThem) {
  fs::path first;
  {
    const TemporaryFolder folder("test"), other("test");
    first = folder.path();
    EXPECT_NE(first, other.path());
    fs::create_directory(first / "inner");
    std::ofstream(first / "inner" / "file") << "text";
    EXPECT_TRUE(fs::exists(first / "inner" / "file"));
  }
  EXPECT_FALSE(fs::exists(first));
}

TEST(TemporaryFolders, RefuseAPlaceThatIsNone) { EXPECT_THROW(const TemporaryFolder folder("no/where"), OSError); }

}  // namespace
}  // namespace transformers
