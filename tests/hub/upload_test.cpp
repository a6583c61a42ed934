// Uploads, whole and broken.
#include "transformers/hub/upload.h"

#include <fstream>

#include "tests/hub/hub_test.h"
#include "transformers/base/logging.h"

namespace transformers {
namespace {

namespace fs = std::filesystem;
using hub_tests::Fault;
using hub_tests::message_of;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using Kind = Fault::Kind;

constexpr int64_t kPart = 64 << 10;

struct UploadTest : hub_tests::HubTest {
  UploadTest() {
    server.add_token("hf_good", "somebody");
    server.set_part_size(kPart);
    set("HF_TOKEN", "hf_good");
    folder = root / "folder";
    big = weights(5 * kPart + 77);
    put("config.json", "{\"a\": 1}\n");
    put("model.safetensors", big);
    put("sub folder/vöcab.txt", "a\nb\n");
    put("empty.bin", "");
    upload.retry = {.retries = 3, .first_delay_s = 0.001, .longest_delay_s = 0.002};
    upload.tuning.upload_stall_timeout_s = 1;
  }
  void put(const std::string& name, std::string_view bytes) const {
    fs::create_directories((folder / name).parent_path());
    std::ofstream(folder / name, std::ios::binary) << bytes;
  }
  CommitInfo push(const FolderOptions& choice = {}) { return upload_folder(folder, "org/new", upload, choice); }
  /// Bytes that were announced to the storage.
  [[nodiscard]] int64_t stored_bytes() const {
    int64_t sum = 0;
    for (const auto& request : server.requests())
      if (request.is_storage && request.method == "PUT") sum += request.body_bytes;
    return sum;
  }
  [[nodiscard]] std::map<std::string, std::string> expected() const {
    return {{"config.json", "{\"a\": 1}\n"},
            {"model.safetensors", big},
            {"sub folder/vöcab.txt", "a\nb\n"},
            {"empty.bin", ""}};
  }
  [[nodiscard]] std::map<std::string, std::string> uploaded(const std::string& revision = "main") const {
    auto files = server.files("org/new", revision);
    files.erase(".gitattributes");
    return files;
  }
  [[nodiscard]] size_t notes() const {
    std::error_code ignored;
    size_t count = 0;
    for (fs::directory_iterator it(root / "home/transformers.cpp/uploads", ignored), end; !ignored && it != end; ++it)
      ++count;
    return count;
  }

  fs::path folder;
  std::string big;
  UploadOptions upload;
};

TEST_F(UploadTest, MakesTheRepositoryAndOneCommit) {  // H02, H03
  upload.commit_message = "First";
  upload.commit_description = "of two";
  const auto info = push();
  EXPECT_EQ(uploaded(), expected());
  ASSERT_EQ(server.commits().size(), 1U);
  const auto commit = server.commits().front();
  EXPECT_EQ(commit.summary, "First");
  EXPECT_EQ(commit.description, "of two");
  EXPECT_EQ(info.oid, commit.commit);
  EXPECT_EQ(info.url(), server.url() + "/org/new/commit/" + commit.commit);
  EXPECT_TRUE(info.is_new);
  EXPECT_FALSE(server.is_private("org/new"));
  EXPECT_EQ(notes(), 0U);
}

TEST_F(UploadTest, SendsNothingThatIsThere) {  // H03
  const auto first = push();
  server.forget_requests();
  const logging::Capture log;
  const auto second = push();
  EXPECT_EQ(stored_bytes(), 0);
  EXPECT_EQ(server.commits().size(), 1U) << "an empty commit is none";
  EXPECT_EQ(second.url(), first.url());
  EXPECT_FALSE(second.is_new);
  EXPECT_TRUE(log.contains("no commit is made", logging::Level::Info));
  put("config.json", "{}");
  put("copy.safetensors", big);
  (void)push();
  EXPECT_EQ(stored_bytes(), 0) << "the storage has the copy's content";
  EXPECT_THAT(server.commits().back().files, ElementsAre("config.json", "copy.safetensors"));
}

TEST_F(UploadTest, SmallObjectsGoInOnePieceAndAreVerified) {
  put("model.safetensors", big.substr(0, 100));
  (void)push();
  EXPECT_EQ(count("PUT", "/object/"), 1);
  EXPECT_EQ(count("POST", "/verify"), 1);
  EXPECT_EQ(uploaded().at("model.safetensors"), big.substr(0, 100));
}

TEST_F(UploadTest, ShortNamesAreTheUsersOwn) {  // H02
  EXPECT_EQ(upload_folder(folder, "mine", upload).repo_id, "somebody/mine");
  EXPECT_EQ(server.files("somebody/mine").size(), 5U);
  upload.token = false;
  EXPECT_THAT(message_of<HubError>([&] { (void)upload_folder(folder, "mine", upload); }), HasSubstr("login"));
}

TEST_F(UploadTest, MakesPrivateRepositoriesBranchesAndPullRequests) {  // H02, H06
  upload.private_ = true;
  upload.revision = "dev/new";
  (void)push();
  EXPECT_TRUE(server.is_private("org/new"));
  EXPECT_EQ(uploaded("dev/new"), expected());
  EXPECT_THAT(uploaded(), IsEmpty());
  upload.revision = "main";
  upload.create_pr = true;
  const auto info = push();
  EXPECT_EQ(info.url(), server.url() + "/org/new/discussions/1");
  EXPECT_EQ(uploaded("refs/pr/1"), expected());
  EXPECT_THAT(uploaded(), IsEmpty());
  upload.create_pr = false;
  upload.revision = "refs/pr/1";
  put("config.json", "{}");
  (void)push();
  EXPECT_EQ(uploaded("refs/pr/1").at("config.json"), "{}");
  upload.revision = "refs/pr/2";
  EXPECT_THROW((void)push(), RevisionNotFoundError) << "and is not made";
}

TEST_F(UploadTest, WhoMayNotWriteMayPropose) {  // H06
  server.commit("org/new", {{"config.json", "{}"}});
  server.add_token("hf_reader", "reader", false);
  upload.token = "hf_reader";
  EXPECT_THAT(message_of<HubError>([&] { (void)push(); }), AllOf(HasSubstr("may not write"), Not(HasSubstr("hf_"))));
  upload.create_pr = true;
  upload.revision = "elsewhere";  // cannot be made
  EXPECT_THROW((void)push(), RevisionNotFoundError);
  upload.revision = "main";
  EXPECT_THAT(push().url(), HasSubstr("/discussions/1"));
  upload.token = false;
  EXPECT_THAT(message_of<HubError>([&] { (void)push(); }), HasSubstr("without a token"));
}

TEST_F(UploadTest, ChoosesFilesByPatternsAndPutsThemIntoAFolder) {
  (void)push({.patterns = {.allow = {"*.json", "sub folder/"}, .ignore = {"*.safetensors"}}, .path_in_repo = "in/it"});
  EXPECT_EQ(uploaded(), (std::map<std::string, std::string>{{"in/it/config.json", "{\"a\": 1}\n"},
                                                            {"in/it/sub folder/vöcab.txt", "a\nb\n"}}));
}

TEST_F(UploadTest, ASelectionOfNothingIsAnErrorAndMakesNoRepository) {
  EXPECT_THAT(message_of<ValueError>([&] { (void)push({.patterns = {.allow = {"*.h5"}}}); }),
              HasSubstr("no file to upload"));
  EXPECT_TRUE(server.requests().empty());
}

TEST_F(UploadTest, LeavesOutWhatIsNobodysBusiness) {
  for (const char* name : {".git/config", "sub/.git/HEAD", ".cache/huggingface/x", ".transformers-save-1/model.bin",
                           ".transformers-committed/a", ".config.json.12-ab.tmp", "x.incomplete"})
    put(name, "secret");
  (void)push();
  EXPECT_EQ(uploaded(), expected());
}

TEST_F(UploadTest, RefusesLinksOutOfTheFolder) {
  fs::create_symlink("/etc/hostname", folder / "host.txt");
  EXPECT_THAT(message_of<ValueError>([&] { (void)push(); }), AllOf(HasSubstr("host.txt"), HasSubstr("leads out")));
  EXPECT_THAT(server.requests(), IsEmpty());
  (void)push({.patterns = {.ignore = {"host.txt"}}});
  fs::remove(folder / "host.txt");
  fs::create_symlink("config.json", folder / "inner.json");
  (void)push();
  EXPECT_EQ(uploaded().at("inner.json"), "{\"a\": 1}\n");
  fs::create_directory_symlink("..", folder / "loop");
  EXPECT_THROW((void)push(), ValueError);
}

TEST_F(UploadTest, TakesASnapshotOfTheCache) {
  server.commit("org/old", {{"config.json", "{}"}, {"model.safetensors", big}});
  const auto snapshot = snapshot_download("org/old", {}, options);
  (void)upload_folder(snapshot, "org/new", upload);
  EXPECT_EQ(uploaded().at("model.safetensors"), big);
}

TEST_F(UploadTest, ACommitTakesSeveralKindsOfOperations) {
  (void)push();
  UploadCommit commit("org/new", upload);
  commit.add_text("README.md", "# card");
  commit.add_file("model.safetensors", folder / "config.json");
  commit.remove_file("empty.bin");
  EXPECT_FALSE(commit.is_sent("model.safetensors"));
  commit.send();
  EXPECT_TRUE(commit.is_sent("model.safetensors"));
  (void)commit.commit();
  const std::map<std::string, std::string> now = {{"README.md", "# card"},
                                                  {"config.json", "{\"a\": 1}\n"},
                                                  {"model.safetensors", "{\"a\": 1}\n"},
                                                  {"sub folder/vöcab.txt", "a\nb\n"}};
  EXPECT_EQ(uploaded(), now);
  for (const char* name : {"../x", "/x", "a//b", ".git/config", "a\\b"})
    EXPECT_THROW(commit.add_text(name, ""), ValueError) << name;
  EXPECT_THROW(commit.add_file("x", folder), OSError);
  EXPECT_THROW(commit.add_file("x", folder / "none"), FileNotFoundError);
}

TEST_F(UploadTest, ParentCommitGuardsAgainstOthers) {
  const auto first = push();
  upload.parent_commit = first.oid;
  put("config.json", "1");
  (void)push();
  put("config.json", "2");
  EXPECT_THAT(message_of<HubError>([&] { (void)push(); }), HasSubstr("has moved"));
}

TEST_F(UploadTest, ObeysTheIgnoreFileOfTheRepository) {
  server.commit("org/new", {{".gitignore", "*.txt\n"}});
  const logging::Capture log;
  (void)push();
  EXPECT_FALSE(uploaded().contains("sub folder/vöcab.txt"));
  EXPECT_TRUE(log.contains(".gitignore names it"));
}

// Each once in every place; the upload gets through.
TEST_F(UploadTest, GetsThroughWhateverBreaksOnce) {
  const std::vector<Fault> faults = {{.kind = Kind::Status, .number = 500},
                                     {.kind = Kind::Status, .number = 503},
                                     {.kind = Kind::Status, .number = 429, .text = "0"},
                                     {.kind = Kind::Cut, .number = 0},
                                     {.kind = Kind::Cut, .number = kPart / 2},
                                     {.kind = Kind::LostAnswer}};
  int round = 0;
  for (auto fault : faults)
    for (const auto& [method, target] : std::vector<std::pair<std::string, std::string>>{{"POST", "/api/repos/create"},
                                                                                         {"POST", "/preupload/"},
                                                                                         {"POST", "/objects/batch"},
                                                                                         {"PUT", "/part/"},
                                                                                         {"POST", "/api/complete"},
                                                                                         {"POST", "/commit/"}}) {
      if (fault.kind == Kind::Cut && fault.number > 0 && method == "POST") continue;
      SCOPED_TRACE(testing::Message() << static_cast<int>(fault.kind) << " " << fault.number << " " << target);
      // The storage's answer to a completed upload is lost with the upload: the object is there, asked for again.
      put("model.safetensors", big + std::to_string(++round));
      fault.method = method;
      fault.target = target;
      server.add_fault(fault);
      const auto commits = server.commits().size();
      EXPECT_TRUE(push().is_new);
      EXPECT_EQ(server.commits().size(), commits + 1) << "not twice";
      EXPECT_EQ(uploaded().at("model.safetensors"), big + std::to_string(round));
      server.clear_faults();
    }
}

TEST_F(UploadTest, AStalledPartIsSentAgain) {
  server.add_fault({.kind = Kind::Stall, .method = "PUT", .target = "/part/", .number = 1000});
  (void)push();
  EXPECT_EQ(uploaded(), expected());
}

TEST_F(UploadTest, GoesOnWithTheMissingParts) {  // anchors 41, 42
  server.add_fault({.kind = Kind::Status, .method = "PUT", .target = "/4?", .times = -1, .number = 500});
  upload.tuning.connections = 1;
  EXPECT_THROW((void)push(), HubError);
  EXPECT_EQ(notes(), 1U);
  EXPECT_EQ(fs::status(root / "home/transformers.cpp/uploads").permissions(), fs::perms::owner_all);
  server.clear_faults();
  server.forget_requests();
  (void)push();
  EXPECT_EQ(uploaded(), expected());
  EXPECT_EQ(stored_bytes(), 2 * kPart + 77) << "of the parts 4, 5 and 6";
  EXPECT_EQ(notes(), 0U);
}

TEST_F(UploadTest, BeginsAnewWhenTheStorageForgotTheParts) {
  server.add_fault({.kind = Kind::Status, .method = "PUT", .target = "/4?", .times = -1, .number = 500});
  upload.tuning.connections = 1;
  EXPECT_THROW((void)push(), HubError);
  server.clear_faults();
  server.expire_uploads();
  (void)push();
  EXPECT_EQ(uploaded(), expected());
}

TEST_F(UploadTest, ASpoiltNoteDoesNoHarm) {
  server.add_fault({.kind = Kind::Status, .method = "PUT", .target = "/4?", .times = -1, .number = 500});
  upload.tuning.connections = 1;
  for (const char* text : {"", "{}", "[1]", R"({"url": "file:///etc", "size_bytes": 1, "part_bytes": 0})"}) {
    server.clear_faults();
    put("model.safetensors", big + text + "x");
    server.add_fault({.kind = Kind::Status, .method = "PUT", .target = "/4?", .times = -1, .number = 500});
    EXPECT_THROW((void)push(), HubError);
    for (const auto& note : fs::directory_iterator(root / "home/transformers.cpp/uploads"))
      std::ofstream(note.path()) << text;
    server.clear_faults();
    (void)push();
    EXPECT_EQ(uploaded().at("model.safetensors"), big + text + "x");
  }
}

TEST_F(UploadTest, WhatTheStorageRefusesIsAnError) {
  server.add_fault({.kind = Kind::WrongHash, .method = "PUT", .times = -1});
  const auto message = message_of<HubError>([&] { (void)push(); });
  EXPECT_THAT(message, AllOf(HasSubstr("model.safetensors"), HasSubstr("refuses")));
  EXPECT_THAT(server.commits(), IsEmpty());
}

TEST_F(UploadTest, AnswersOfAWrongLengthAreNotTaken) {
  server.add_fault({.kind = Kind::WrongLength, .target = "/preupload/", .times = -1, .number = 100'000});
  EXPECT_THROW((void)push(), hub::ConnectionError);
  server.clear_faults();
  server.add_fault({.kind = Kind::WrongLength, .target = "/preupload/", .times = 1, .number = 100'000});
  (void)push();
  EXPECT_EQ(uploaded(), expected());
}

TEST_F(UploadTest, ALostPullRequestIsNotOpenedTwice) {
  server.add_fault({.kind = Kind::LostAnswer, .target = "/commit/"});
  upload.create_pr = true;
  EXPECT_THAT(message_of<HubError>([&] { (void)push(); }), HasSubstr("is not known"));
  EXPECT_EQ(server.commits().size(), 1U);
}

TEST_F(UploadTest, TheTokenStaysAtHome) {  // H07
  hub_tests::HubServer other;
  const logging::Capture log;
  (void)push();
  for (const auto& request : server.requests())
    EXPECT_EQ(request.authorization, request.is_storage ? "" : "Bearer hf_good") << request.target;
  for (const auto& [method, target] : std::vector<std::pair<std::string, std::string>>{
           {"POST", "/preupload/"}, {"POST", "/objects/batch"}, {"PUT", "/part/"}, {"POST", "/commit/"}}) {
    put("model.safetensors", big + target);
    server.add_fault({.kind = Kind::RedirectTo, .method = method, .target = target, .text = other.url() + target});
    try {  // the storage of a redirected part is asked for another address, the other requests fail
      (void)push();
      EXPECT_EQ(method, "PUT");
    } catch (const HubError& error) {
      EXPECT_THAT(error.what(), Not(HasSubstr("hf_good")));
    }
    server.clear_faults();
  }
  EXPECT_GE(other.requests().size(), 3U);
  for (const auto& request : other.requests()) EXPECT_EQ(request.authorization, "") << request.target;
  for (const auto& record : log.records()) {
    EXPECT_THAT(record.text, Not(HasSubstr("hf_good")));
    EXPECT_THAT(record.text, Not(HasSubstr("signature")));
  }
}

TEST_F(UploadTest, AFileThatChangesMeanwhileIsNoticed) {
  UploadCommit commit("org/new", upload);
  commit.add_file("model.safetensors", folder / "model.safetensors");
  put("model.safetensors", big.substr(0, big.size() / 2));
  EXPECT_THAT(message_of<OSError>([&] { (void)commit.commit(); }), HasSubstr("was changed"));
  UploadCommit linked("org/new", upload);
  linked.add_file("model.safetensors", folder / "model.safetensors");
  fs::rename(folder / "model.safetensors", root / "moved");
  fs::create_symlink(root / "moved", folder / "model.safetensors");
  EXPECT_THROW((void)linked.commit(), OSError) << "a link that took its place is not followed";
  EXPECT_THAT(server.commits(), IsEmpty());
}

TEST_F(UploadTest, OfflineMeansNoRequest) {  // H10
  set("HF_HUB_OFFLINE", "1");
  EXPECT_THROW((void)push(), OfflineModeIsEnabled);
  EXPECT_THAT(server.requests(), IsEmpty());
}

}  // namespace
}  // namespace transformers
