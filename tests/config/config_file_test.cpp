// What may lie in the place of a config.json, and what is said about it (X07, X08).
#include "transformers/config/config_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"

namespace transformers {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

struct ConfigFile : ::testing::Test {
  ConfigFile() {
    std::string name = (fs::temp_directory_path() / "config-XXXXXX").native();
    if (!::mkdtemp(name.data())) throw OSError("no folder for the test");
    file = fs::path(name) / "config.json";
  }
  ~ConfigFile() override { fs::remove_all(file.parent_path()); }
  std::string refusal() const {
    try {
      (void)read_config_file(file);
    } catch (const OSError& error) {
      return error.what();
    }
    return "it was read";
  }
  std::string refusal_of(std::string_view text) const {
    std::ofstream(file, std::ios::binary) << text;
    return refusal();
  }
  fs::path file;
};

TEST_F(ConfigFile, ReadsAnObject) {
  std::ofstream(file) << "\xEF\xBB\xBF{\"a\": {\"b\": 1}, \"b\": \"\xC3\xA9\"}";
  EXPECT_EQ(read_config_file(file).at("b"), Json("\xC3\xA9"));
}

TEST_F(ConfigFile, NamesWhatLiesThereInstead) {
  const std::pair<std::string, const char*> cases[] = {
      {"", "is empty, expected a JSON object"},
      {" \n", "is empty"},
      {"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n", "is a Git LFS pointer"},
      {"\n<!DOCTYPE html><html></html>", "is a web page"},
      {"<html>", "is a web page"},
      {"{\"a\": \"\xff\"}", "is not UTF-8 text"},
      {"[1]", "is a JSON list, expected an object"},
      {"7", "is a JSON int, expected an object"},
      {"{\"a\": 1", "not valid JSON"},
      {std::string(200, '['), "not valid JSON"},
      {std::string(600, '[') + std::string(600, ']'), "nested deeper than 512 levels"},
      {std::string(200, '[') + std::string(200, ']'), "is a JSON list"},
      {R"({"a": 1, "b": {"c": 1, "c": 2}})", "holds the key 'c' twice"},
      {R"({"a": 1, "a": 1})", "holds the key 'a' twice"},
  };
  for (const auto& [text, message] : cases) {
    EXPECT_THAT(refusal_of(text), HasSubstr(message)) << text.substr(0, 40);
    EXPECT_THAT(refusal(), HasSubstr(file.native()));
  }
}

TEST_F(ConfigFile, IsNoFolder) {
  fs::create_directory(file);
  EXPECT_THAT(refusal(), HasSubstr("is a folder, expected a file"));
}

TEST_F(ConfigFile, NeverWaitsForAPipe) {
  ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
  EXPECT_THAT(refusal(), HasSubstr("is a named pipe, expected a file"));
}

TEST_F(ConfigFile, MayBeAbsent) { EXPECT_THROW((void)read_config_file(file), FileNotFoundError); }

}  // namespace
}  // namespace transformers
