#include "transformers/hub/names.h"

#include <gtest/gtest.h>

#include "transformers/base/error.h"

namespace transformers::hub {
namespace {

TEST(Names, OfFilesStayInsideTheirFolder) {  // anchors.md 4.2: paths and cache
  using namespace std::string_literals;
  for (const auto& name : {""s, "/etc/passwd"s, ".."s, "../x"s, "a/../b"s, "a/.."s, "./a"s, "a//b"s, "a/"s, "C:x"s,
                           "bad\xff.txt"s, "C:/x"s, "a/D:x"s, "a\\b"s, "\\\\host\\share"s, "a\0b"s, "a\nb"s,
                           std::string(241, 'a'), std::string(1, 'a') + "/" + std::string(2000, 'b')})
    EXPECT_THROW(check_file_name(name), ValueError) << name;
  for (const char* name : {"config.json", ".gitattributes", "a/b/c.bin", "ünï cödé.txt", "a..b", "...", "ab:c"})
    EXPECT_NO_THROW(check_file_name(name)) << name;
}

TEST(Names, OfRevisionsMayHaveSlashes) {  // H09
  for (const char* name : {"main", "refs/pr/1", "v1.0", "feature/x"}) EXPECT_NO_THROW(check_revision(name));
  for (const char* name : {"", "../main", "/main", "a\\b", "refs/../../x"})
    EXPECT_THROW(check_revision(name), ValueError) << name;
}

TEST(Names, OfRepositoriesAreThoseOfTheHub) {
  for (const char* name : {"t5", "org/name", "Org-1/na_me.v2"}) EXPECT_TRUE(is_repo_id(name)) << name;
  for (const char* name : {"", "a/b/c", "org/", "/x", "a--b", "a..b", "-a", "a.", "a b", "a/b.git", "a\nb"})
    EXPECT_FALSE(is_repo_id(name)) << name;
}

TEST(Names, OfBlobsComeFromETags) {  // H08
  EXPECT_EQ(blob_name("\"abc\""), "abc");
  EXPECT_EQ(blob_name("W/\"abc-2\""), "abc-2");
  for (const char* etag : {"", "\"\"", "../x", "a/b", ".hidden", "a b", "x.incomplete"})
    EXPECT_THROW(static_cast<void>(blob_name(etag)), HubError) << etag;
  EXPECT_THROW(static_cast<void>(blob_name(std::string(200, 'a'))), HubError);
}

TEST(Names, AreMatchedAsPythonsFnmatchDoes) {
  EXPECT_TRUE(matches("a/b/c.json", "*.json"));
  EXPECT_TRUE(matches("config.json", "config.json"));
  EXPECT_TRUE(matches("model-00001.bin", "model-?????.bin"));
  EXPECT_TRUE(matches("a1", "a[0-9]"));
  EXPECT_TRUE(matches("ab", "a[!0-9]"));
  EXPECT_TRUE(matches("a[b", "a[b"));
  EXPECT_TRUE(matches("x]", "x[]]"));
  EXPECT_TRUE(matches("", "*"));
  EXPECT_FALSE(matches("a1", "a[!0-9]"));
  EXPECT_FALSE(matches("config.json", "*.txt"));
  EXPECT_FALSE(matches("config.jsonx", "*.json"));
  EXPECT_FALSE(matches("A", "a"));
  EXPECT_FALSE(matches(std::string(5000, 'a'), "*a*a*a*a*a*a*a*b")) << "and in no time";
}

}  // namespace
}  // namespace transformers::hub
