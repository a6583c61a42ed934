// push_to_hub of a thing that saves itself; models, configs and tokenizers are such things.
#include "transformers/hub/push.h"

#include <fstream>

#include "tests/hub/hub_test.h"
#include "transformers/base/logging.h"

namespace transformers {
namespace {

namespace fs = std::filesystem;
using hub_tests::Fault;
using hub_tests::message_of;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

struct PushTest : hub_tests::HubTest {
  PushTest() : home(fs::current_path()) {
    server.add_token("hf_good", "somebody");
    server.set_part_size(64 << 10);
    set("HF_TOKEN", "hf_good");
    set("TMPDIR", (root / "tmp").c_str());
    fs::create_directories(root / "tmp");
    fs::create_directories(root / "work");
    fs::current_path(root / "work");
    options.retry = {.retries = 2, .first_delay_s = 0.001, .longest_delay_s = 0.002};
    pushed.save = [this](const fs::path& folder, hub::FileSink* sink) { save(folder, sink); };
  }
  ~PushTest() override { fs::current_path(home); }

  static void write(const fs::path& file, std::string_view bytes) {
    fs::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << bytes;
  }
  void save(const fs::path& folder, hub::FileSink* sink) {
    saved_to = folder;
    write(folder / "config.json", "{}");
    write(folder / "onnx" / "a.json", "[]");
    write(folder / "too" / "deep" / "a.json", "[]");
    for (unsigned i = 0; i < shards; ++i) {
      const auto name = "model-" + std::to_string(i) + ".safetensors";
      write(folder / name, weights(100'000, i));
      size_t on_disk = 0;
      for (const auto& entry : fs::directory_iterator(folder)) on_disk += entry.path().extension() == ".safetensors";
      most_on_disk = std::max(most_on_disk, on_disk);
      if (sink) sink->take(name, folder / name);
    }
  }
  std::string push(const std::string& repo = "org/new") { return hub::push_to_hub(repo, options, pushed); }
  [[nodiscard]] std::vector<std::string> names(const std::string& repo = "org/new",
                                               const std::string& revision = "main") const {
    std::vector<std::string> found;
    for (const auto& [name, bytes] : server.files(repo, revision)) found.push_back(name);
    return found;
  }

  fs::path home, saved_to;
  unsigned shards = 4;
  size_t most_on_disk = 0;
  PushToHubOptions options;
  hub::Pushed pushed;
};

TEST_F(PushTest, ExtendsTheCardOfTheHubBesideAFolderOfThatName) {  // H04
  server.commit("org/new", {{"README.md", "# Written by hand\n"}});
  fs::create_directories(fs::path("org") / "new");
  options.tags = {"tiny"};
  push();
  EXPECT_THAT(server.files("org/new").at("README.md"), AllOf(HasSubstr("# Written by hand"), HasSubstr("tiny")));
}

TEST_F(PushTest, ShardsGoWhileTheNextIsWrittenAndTwoAreOnTheDisk) {  // H03
  const auto url = push();
  EXPECT_THAT(names(),
              UnorderedElementsAre(".gitattributes", "README.md", "config.json", "onnx/a.json", "model-0.safetensors",
                                   "model-1.safetensors", "model-2.safetensors", "model-3.safetensors"));
  for (unsigned i = 0; i < shards; ++i)
    EXPECT_EQ(server.files("org/new").at("model-" + std::to_string(i) + ".safetensors"), weights(100'000, i));
  EXPECT_LE(most_on_disk, 2U);
  ASSERT_EQ(server.commits().size(), 1U);
  EXPECT_EQ(server.commits().front().summary, "Upload model");
  EXPECT_EQ(url, server.url() + "/org/new/commit/" + server.commits().front().commit);
  EXPECT_FALSE(fs::exists(saved_to)) << "the temporary folder is gone";
}

TEST_F(PushTest, ALostAnswerToTheCommitIsFoundOutThoughTheShardsAreGone) {  // H03
  server.add_fault({.kind = Fault::Kind::LostAnswer, .target = "/commit/"});
  (void)push();
  EXPECT_EQ(server.commits().size(), 1U);
  EXPECT_EQ(server.files("org/new").at("model-0.safetensors"), weights(100'000, 0));
  server.add_fault({.target = "/commit/", .number = 500});  // and one that was not made is made again
  shards = 5;
  (void)push();
  EXPECT_EQ(server.commits().size(), 2U);
  EXPECT_EQ(server.files("org/new").at("model-4.safetensors"), weights(100'000, 4));
}

TEST_F(PushTest, LinksOfTheUserInTheFolderAreLeftAlone) {  // H02
  write(root / "elsewhere.txt", "private");
  fs::create_directories("new");
  fs::create_symlink(root / "elsewhere.txt", "new/outside.txt");
  fs::create_symlink("nowhere", "new/broken");
  fs::create_symlink("itself", "new/itself");
  fs::create_symlink(root / "elsewhere.txt", "new/README.md");
  options.tags = {"tiny"};
  (void)push();
  EXPECT_TRUE(server.files("org/new").contains("config.json"));
  EXPECT_FALSE(server.files("org/new").contains("outside.txt"));
  EXPECT_THAT(server.files("org/new").at("README.md"), AllOf(HasSubstr("tiny"), Not(HasSubstr("private"))));
}

TEST_F(PushTest, NothingIsLeftAfterAnError) {  // H03
  server.add_fault({.method = "PUT", .target = "/part/", .times = -1, .number = 500});
  EXPECT_THROW((void)push(), HubError);
  EXPECT_FALSE(fs::exists(saved_to));
  EXPECT_TRUE(fs::is_empty(root / "tmp"));
  EXPECT_THAT(server.commits(), IsEmpty());
}

TEST_F(PushTest, WritesIntoAFolderOfTheRepositorysName) {  // H02
  write(root / "work" / "new" / "mine.txt", "mine");
  (void)push();
  EXPECT_EQ(saved_to, "new");
  EXPECT_TRUE(fs::exists("new/model-3.safetensors"));
  EXPECT_FALSE(server.files("org/new").contains("mine.txt")) << "only what the save wrote";
  EXPECT_TRUE(server.files("org/new").contains("model-3.safetensors"));
  options.use_temp_dir = true;
  (void)push();
  EXPECT_NE(saved_to, "new");
  options.use_temp_dir = false;
  (void)push("org/another");
  EXPECT_TRUE(fs::exists("another/config.json"));
}

TEST_F(PushTest, TheCardIsExtendedAndPushingTwiceChangesNothing) {  // H04, P12
  server.commit("org/new", {{"README.md", "---\ntags: [old]\n---\n# Mine\n"}});
  pushed.tags = {"custom"};
  options.tags = {"custom", "custom-bert"};
  const auto first = push();
  EXPECT_EQ(server.files("org/new").at("README.md"), "---\ntags: [old, custom, custom-bert]\n---\n# Mine\n");
  EXPECT_EQ(push(), first);
  EXPECT_EQ(server.commits().size(), 1U);
  options.revision = "branch";  // begins as a copy of main, with its card
  options.tags = {"more"};
  (void)push();
  EXPECT_EQ(server.files("org/new", "branch").at("README.md"),
            "---\ntags: [old, custom, custom-bert, more]\n---\n# Mine\n");
}

TEST_F(PushTest, EveryOptionArrives) {  // H02
  options.commit_message = "Message";
  options.commit_description = "Description";
  options.private_ = true;
  options.create_pr = true;
  EXPECT_EQ(push("mine"), server.url() + "/somebody/mine/discussions/1");
  EXPECT_TRUE(server.is_private("somebody/mine"));
  EXPECT_EQ(server.commits().front().summary, "Message");
  EXPECT_EQ(server.commits().front().description, "Description");
  EXPECT_EQ(server.commits().front().branch, "refs/pr/1");
}

TEST_F(PushTest, OldNamesOfArgumentsWarnAndConflictsAreRefused) {  // H05
  shards = 0;
  const auto old = [&](const char* json, const std::string& repo = "") {
    logging::Capture::reset_once();
    const logging::Capture log;
    options.deprecated_kwargs = Json::parse(json);
    (void)push(repo);
    for (const auto& record : log.records())
      if (record.category == "FutureWarning") return true;
    return false;
  };
  fs::create_directories(root / "work" / "x" / "folder");
  EXPECT_TRUE(old(R"({"repo_path_or_name": "x/folder", "organization": "org"})"));
  EXPECT_TRUE(old(("{\"repo_url\": \"" + server.url() + "/org/by-url\"}").c_str()));
  EXPECT_TRUE(old(R"({"use_auth_token": "hf_good"})", "org/by-token"));
  EXPECT_TRUE(old(R"({"use_auth_token": true, "organization": "org"})", "org/same"));
  for (const char* repo : {"org/folder", "org/by-url", "org/by-token", "org/same"})
    EXPECT_FALSE(names(repo).empty()) << repo;
  EXPECT_THAT(message_of<ValueError>([&] { old(R"({"repo_path_or_name": "a"})", "org/b"); }),
              AllOf(HasSubstr("repo_id"), HasSubstr("repo_path_or_name")));
  EXPECT_THAT(message_of<ValueError>([&] { old(R"({"organization": "other"})", "org/b"); }),
              AllOf(HasSubstr("repo_id"), HasSubstr("organization")));
  EXPECT_THROW(old(R"({"repo_url": "https://elsewhere.org/a/b"})"), ValueError);
  EXPECT_THROW(old(R"({"nonsense": 1})", "org/b"), TypeError);
  options.token = "hf_good";
  EXPECT_THAT(message_of<ValueError>([&] { old(R"({"use_auth_token": true})", "org/b"); }),
              HasSubstr("use_auth_token"));
}

}  // namespace
}  // namespace transformers
