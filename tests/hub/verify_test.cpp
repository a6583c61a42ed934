#include "transformers/hub/verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "transformers/base/files.h"
#include "transformers/base/strings.h"
#include "transformers/base/temporary_folder.h"
#include "transformers/hub/cache.h"
#include "transformers/hub/hash.h"

namespace transformers::hub {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A repository in the cache: links to blobs that are called by their hashes.
class VerifyDownloads : public ::testing::Test {
 protected:
  void SetUp() override {
    link("config.json", "{}", git_hash("{}"));
    link("1_Pooling/config.json", "{ }", git_hash("{ }"));
    Sha256 hash;
    hash.update("weights");
    link("model.safetensors", "weights", hash.hex());
  }
  static std::string git_hash(std::string_view text) {
    Sha1 hash;
    hash.update(git_blob_header(static_cast<int64_t>(text.size())));
    hash.update(text);
    return hash.hex();
  }
  static void write(const fs::path& file, std::string_view text) {
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  void link(const fs::path& name, std::string_view text, const std::string& blob) const {
    write(repo_ / "blobs" / blob, text);
    fs::create_directories((snapshot_ / name).parent_path());
    const auto up = name.has_parent_path() ? "../../../blobs" : "../../blobs";
    fs::create_symlink(fs::path(up) / blob, snapshot_ / name);
  }
  // Each as `E file: message`
  static std::vector<std::string> findings(const fs::path& path) {
    std::vector<std::string> out;
    for (const auto& found : verify_downloads(path))
      out.push_back(str(found.severity == Severity::Error ? "E " : "W ", found.file.filename(), ": ", found.message));
    return out;
  }

  TemporaryFolder folder_{"verify"};
  fs::path repo_ = folder_.path() / "models--org--name";
  fs::path snapshot_ = repo_ / "snapshots" / std::string(40, 'a');
};

TEST_F(VerifyDownloads, FindsNothingWhereNothingIsWrong) {
  EXPECT_THAT(findings(snapshot_), IsEmpty());
  EXPECT_THAT(findings(snapshot_ / "model.safetensors"), IsEmpty());
}

TEST_F(VerifyDownloads, FindsContentsThatAreNotTheirHashes) {
  write(fs::canonical(snapshot_ / "model.safetensors"), "weighty");
  write(fs::canonical(snapshot_ / "1_Pooling/config.json"), "{}");
  EXPECT_THAT(findings(snapshot_), ElementsAre(HasSubstr("E config.json: does not have the git hash"),
                                               HasSubstr("E model.safetensors: does not have the SHA-256")));
  EXPECT_THAT(findings(snapshot_ / "model.safetensors"), ElementsAre(HasSubstr("it is damaged")));
}

TEST_F(VerifyDownloads, FindsBlobsThatAreGone) {
  fs::remove(fs::canonical(snapshot_ / "config.json"));
  EXPECT_THAT(findings(snapshot_), ElementsAre(HasSubstr("is gone from the cache")));
}

// Caches without links hold copies; what the listing says of them counts.
TEST_F(VerifyDownloads, KnowsTheHashesOfCopies) {
  Sha256 hash;
  hash.update("weights");
  FileTree tree;
  tree["config.json"] = {.size_bytes = 2, .blob = git_hash("{}"), .git_id = git_hash("{}")};
  tree["model.safetensors"] = {.size_bytes = 7, .blob = hash.hex(), .git_id = git_hash("pointer")};
  RepoCache(folder_.path(), "org/name").note_tree(std::string(40, 'a'), tree);
  for (const auto* name : {"config.json", "model.safetensors"}) {
    const auto text = read_text(snapshot_ / name);
    fs::remove(snapshot_ / name);
    write(snapshot_ / name, text);
  }
  EXPECT_THAT(findings(snapshot_), IsEmpty());
  write(snapshot_ / "model.safetensors", "weighty");
  EXPECT_THAT(findings(snapshot_), ElementsAre(HasSubstr("E model.safetensors: does not have the SHA-256")));
}

TEST_F(VerifyDownloads, LeavesFilesWithoutAHashAlone) {
  write(snapshot_ / "notes.txt", "mine");
  fs::create_symlink("/etc/hostname", snapshot_ / "link");
  EXPECT_THAT(findings(snapshot_), IsEmpty());
}

TEST_F(VerifyDownloads, ReadsTheNotesOfALocalFolder) {
  const auto local = folder_.path() / "local";
  const auto note = [&](std::string_view name, const std::string& hash, std::string_view time) {
    write(local / ".cache/huggingface/download" / str(name, ".metadata"),
          str(std::string(40, 'a'), "\n", hash, "\n", time, "\n"));
  };
  write(local / "config.json", "{}");
  write(local / "deep/other.json", "{}");
  note("config.json", git_hash("{}"), "4000000000.5");
  note("deep/other.json", git_hash("{}"), "4000000000.5");
  EXPECT_THAT(findings(local), IsEmpty());
  write(local / "deep/other.json", "{ }");
  EXPECT_THAT(findings(local), ElementsAre(HasSubstr("E other.json: does not have the git hash")));
  note("deep/other.json", git_hash("{}"), "1000.5");
  EXPECT_THAT(findings(local), ElementsAre("W other.json: was changed after it had been downloaded"));
  note("deep/other.json", "no hash", "1000.5");
  EXPECT_THAT(findings(local), IsEmpty());
}

}  // namespace
}  // namespace transformers::hub
