#include "transformers/hub/snapshot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <map>

#include "transformers/base/error.h"

namespace transformers {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

/// Sets variables for one test, and takes away those that would name a cache.
class Environment {
 public:
  Environment() {
    for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_CACHE", "HF_HOME", "XDG_CACHE_HOME",
                             "HOME", "HF_HUB_OFFLINE", "HF_ENDPOINT"}) {
      const char* value = std::getenv(name);
      old_[name] = value ? std::optional<std::string>(value) : std::nullopt;
      ::unsetenv(name);
    }
  }
  ~Environment() {
    for (const auto& [name, value] : old_) value ? ::setenv(name.c_str(), value->c_str(), 1) : ::unsetenv(name.c_str());
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
  static void set(const char* name, const fs::path& value) { ::setenv(name, value.c_str(), 1); }

 private:
  std::map<std::string, std::optional<std::string>> old_;
};

struct SnapshotTest : ::testing::Test {
  SnapshotTest() {
    std::string name = (fs::temp_directory_path() / "hub-XXXXXX").native();
    if (!::mkdtemp(name.data())) throw OSError("no folder for the test");
    root = name;
    cache = root / "cache";
    Environment::set("HF_HUB_CACHE", cache);
    Environment::set("HF_HUB_OFFLINE", "1");
  }
  ~SnapshotTest() override {
    std::error_code ignored;
    fs::current_path(start, ignored);
    fs::remove_all(root, ignored);
  }

  static fs::path write(const fs::path& file, std::string_view text = "{}") {
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text;
    return file;
  }
  /// A repository as the Python client leaves it: the file is a relative link to a blob.
  fs::path cached(const std::string& folder, const std::string& commit) const {
    const auto repo = cache / folder;
    write(repo / "blobs" / "abc");
    const auto snapshot = repo / "snapshots" / commit;
    fs::create_directories(snapshot);
    fs::create_symlink("../../blobs/abc", snapshot / "config.json");
    return snapshot;
  }

  Environment environment;
  fs::path root, cache, start = fs::current_path();
};

template <class Exception>
std::string refusal(const std::string& name, const SnapshotOptions& options = {}) {
  try {
    static_cast<void>(resolve_snapshot(name, options));
  } catch (const Exception& error) {
    return error.what();
  }
  ADD_FAILURE() << name << " was resolved";
  return "";
}

TEST_F(SnapshotTest, TakesAFolderOrASubfolder) {
  write(root / "model" / "config.json");
  write(root / "model" / "deep" / "er" / "tokenizer.json");
  const auto name = (root / "model").native();
  const auto snapshot = resolve_snapshot(name);
  EXPECT_EQ(snapshot.source, name);
  EXPECT_EQ(snapshot.folder, root / "model");
  EXPECT_TRUE(snapshot.weights_file.empty());
  EXPECT_TRUE(snapshot.has("config.json"));
  EXPECT_FALSE(snapshot.has("deep")) << "no file";
  EXPECT_TRUE(resolve_snapshot(name, {.subfolder = "deep/er"}).has("tokenizer.json"));
  EXPECT_THAT(refusal<OSError>(name, {.subfolder = "none"}), AllOf(HasSubstr(name), HasSubstr("none")));
  EXPECT_THROW(static_cast<void>(resolve_snapshot(name, {.subfolder = "../model"})), ValueError);
}

TEST_F(SnapshotTest, PrefersAFolderToAHubIdOfTheSameName) {
  const auto snapshot = cached("models--org--name", "c0ffee");
  write(cache / "models--org--name" / "refs" / "main", "c0ffee");
  fs::current_path(root);
  EXPECT_EQ(resolve_snapshot("org/name").folder, snapshot);
  write(root / "org" / "name" / "config.json");
  EXPECT_EQ(resolve_snapshot("org/name").folder, fs::path("org/name"));
}

TEST_F(SnapshotTest, TakesASingleFile) {
  const auto file = write(root / "weights.gguf");
  EXPECT_EQ(resolve_snapshot(file.native()).weights_file, file);
  EXPECT_EQ(resolve_snapshot(file.native()).folder, root);
  fs::current_path(root);
  EXPECT_EQ(resolve_snapshot("weights.gguf").weights_file, fs::path("weights.gguf"));
  EXPECT_EQ(resolve_snapshot("weights.gguf").folder, fs::path("."));
}

TEST_F(SnapshotTest, FindsACachedRepositoryByBranchAndByCommit) {  // H08, H09
  const auto newest = cached("models--org--name", "c0ffee"), oldest = cached("models--org--other", "deadbeef");
  write(cache / "models--org--name" / "refs" / "main", "c0ffee\n");
  write(cache / "models--org--other" / "refs" / "refs" / "pr" / "1", "deadbeef");
  EXPECT_EQ(resolve_snapshot("org/name").folder, newest);
  EXPECT_TRUE(resolve_snapshot("org/name").has("config.json")) << "through the link";
  EXPECT_EQ(resolve_snapshot("org/name", {.revision = "c0ffee"}).folder, newest);
  EXPECT_EQ(resolve_snapshot("org/other", {.revision = "refs/pr/1"}).folder, oldest);
  EXPECT_THROW(static_cast<void>(resolve_snapshot("org/other")), LocalEntryNotFoundError);
}

TEST_F(SnapshotTest, FindsARepositoryWithoutAnOrganisation) {  // H08
  const auto snapshot = cached("models--t5", "c0ffee");
  write(cache / "models--t5" / "refs" / "main", "c0ffee");
  EXPECT_EQ(resolve_snapshot("t5").folder, snapshot);
}

TEST_F(SnapshotTest, LooksIntoTheCacheThatTheCallNames) {  // H08
  const auto snapshot = cached("models--org--name", "c0ffee");
  write(cache / "models--org--name" / "refs" / "main", "c0ffee");
  Environment::set("HF_HUB_CACHE", root / "elsewhere");
  EXPECT_THROW(static_cast<void>(resolve_snapshot("org/name")), LocalEntryNotFoundError);
  EXPECT_EQ(resolve_snapshot("org/name", {.cache_dir = cache}).folder, snapshot);
}

TEST_F(SnapshotTest, NamesTheCacheThatDoesNotHoldAnId) {  // P74, H11
  EXPECT_THAT(refusal<LocalEntryNotFoundError>("org/unknown", {.revision = "v2"}),
              AllOf(HasSubstr("org/unknown"), HasSubstr(cache.native()), HasSubstr("v2")));
}

TEST_F(SnapshotTest, RefusesNamesThatCanBeNeitherPathNorId) {
  for (const char* name : {"a/b/c", "org/na me", "../none", "/none/at/all", "org/--name", "org/"})
    EXPECT_THROW(static_cast<void>(resolve_snapshot(name)), FileNotFoundError) << name;
  EXPECT_THROW(static_cast<void>(resolve_snapshot("")), ValueError);
}

TEST_F(SnapshotTest, StaysInsideTheCache) {
  cached("models--org--name", "c0ffee");
  write(root / "x" / "config.json");
  for (const char* revision : {"../../x", "..", "/etc", "a/../../../x"})
    EXPECT_THROW(static_cast<void>(resolve_snapshot("org/name", {.revision = revision})), ValueError) << revision;
  write(cache / "models--org--name" / "refs" / "main", "../../../x");
  EXPECT_THROW(static_cast<void>(resolve_snapshot("org/name")), ValueError) << "the commit is a path";
}

TEST_F(SnapshotTest, TakesTheOnlyGgufFileOfAFolder) {
  const auto file = write(root / "model" / "a.gguf");
  const auto name = (root / "model").native();
  EXPECT_EQ(resolve_snapshot(name).weights_file, file);
  write(root / "model" / "b.gguf");
  EXPECT_THAT(refusal<OSError>(name), AllOf(HasSubstr(name), HasSubstr("a.gguf, b.gguf")));
  write(root / "model" / "model.safetensors");
  EXPECT_TRUE(resolve_snapshot(name).weights_file.empty()) << "the folder has its usual weights";
}

TEST_F(SnapshotTest, AGgufFileBesideOtherWeightsIsNotChosenByItself) {
  for (const char* other : {"model.fp16.safetensors", "pytorch_model-00001-of-00002.bin", "tf_model.h5",
                            "flax_model.msgpack", "model.ckpt.index", "adapter_config.json"}) {
    const auto folder = root / other;
    write(folder / "a.gguf");
    write(folder / other);
    EXPECT_TRUE(resolve_snapshot(folder.native()).weights_file.empty()) << other;
    fs::remove(folder / other);
    write(folder / "model_card.md");
    write(folder / "training_args.bin");
    EXPECT_EQ(resolve_snapshot(folder.native()).weights_file, folder / "a.gguf");
  }
}

TEST(HubCacheFolder, FollowsTheVariablesInTheirOrder) {  // H08
  const Environment environment;
  Environment::set("HOME", "/home");
  EXPECT_EQ(hub_cache_folder(), "/home/.cache/huggingface/hub");
  Environment::set("XDG_CACHE_HOME", "/xdg");
  EXPECT_EQ(hub_cache_folder(), "/xdg/huggingface/hub");
  Environment::set("HF_HOME", "/hf");
  EXPECT_EQ(hub_cache_folder(), "/hf/hub");
  Environment::set("TRANSFORMERS_CACHE", "/third");
  EXPECT_EQ(hub_cache_folder(), "/third");
  Environment::set("HUGGINGFACE_HUB_CACHE", "/second");
  EXPECT_EQ(hub_cache_folder(), "/second");
  Environment::set("HF_HUB_CACHE", "/first");
  EXPECT_EQ(hub_cache_folder(), "/first");
  Environment::set("HF_HUB_CACHE", "");
  EXPECT_EQ(hub_cache_folder(), "/second") << "an empty variable counts as none";
}

}  // namespace
}  // namespace transformers
