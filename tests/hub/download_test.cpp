#include "transformers/hub/download.h"

#include <sys/stat.h>

#include "tests/hub/hub_test.h"
#include "transformers/base/json.h"
#include "transformers/base/logging.h"
#include "transformers/config/version.h"

namespace transformers {
namespace {

namespace fs = std::filesystem;
using hub_tests::Access;
using hub_tests::Fault;
using hub_tests::message_of;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

struct DownloadTest : hub_tests::HubTest {
  DownloadTest() {
    big = weights(700'000);
    commit =
        server.commit("org/name", {{"config.json", "{}"}, {"model.safetensors", big}, {"sub/vocab.txt", "a\nb\n"}});
  }
  fs::path get(const std::string& file) { return cached_file("org/name", file, options).value(); }
  std::string read(const fs::path& file) { return read_text(file); }

  std::string big, commit;
};

TEST_F(DownloadTest, TakesAFolderOfTheRepositoryWithPatternsOfItsNames) {
  server.commit("org/name", {{"sub/deep/more.json", "{}"}});
  options.subfolder = "sub";
  const auto folder = snapshot_download("org/name", {}, options);
  EXPECT_EQ(read(folder / "vocab.txt"), "a\nb\n");
  EXPECT_TRUE(fs::exists(folder / "deep" / "more.json"));
  EXPECT_FALSE(fs::exists(folder.parent_path() / "config.json"));
  EXPECT_EQ(snapshot_download("org/name", {.allow = {"*.txt"}}, options), folder);
  const auto refusal = [&](const FilePatterns& patterns) {
    return message_of<EntryNotFoundError>([&] { (void)snapshot_download("org/name", patterns, options); });
  };
  EXPECT_THAT(refusal({.allow = {"*.none", "x/"}, .ignore = {"y"}}), HasSubstr("'*.none', 'x/' without 'y'"));
  options.subfolder = "none";
  EXPECT_THAT(refusal({}), HasSubstr("no folder 'none'"));
}

TEST_F(DownloadTest, WritesThePythonClientsLayout) {  // H08
  const auto path = get("model.safetensors");
  const auto repo = cache / "models--org--name";
  EXPECT_EQ(path, repo / "snapshots" / commit / "model.safetensors");
  EXPECT_EQ(read(path), big);
  EXPECT_EQ(read(repo / "refs" / "main"), commit);
  const auto target = fs::read_symlink(path);
  EXPECT_TRUE(target.is_relative());
  EXPECT_EQ(fs::canonical(path).parent_path(), fs::canonical(repo / "blobs"));
  EXPECT_EQ(target.filename().native().size(), 64U) << "the SHA-256 of an LFS object";
  const auto small = fs::read_symlink(get("sub/vocab.txt"));
  EXPECT_EQ(small, fs::path("../../../blobs") / small.filename());
  EXPECT_EQ(small.filename(), "422c2b7ab3b3c668038da977e4e93a5fc623169c") << "git hash-object";
  EXPECT_TRUE(fs::exists(cache / "CACHEDIR.TAG"));
  EXPECT_TRUE(fs::exists(cache / ".locks" / "models--org--name" / (small.filename().native() + ".lock")));
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST_F(DownloadTest, AsksOnceForACachedFile) {  // H09
  static_cast<void>(get("model.safetensors"));
  static_cast<void>(get("config.json"));
  server.forget_requests();
  static_cast<void>(get("model.safetensors"));
  EXPECT_EQ(server.requests().size(), 1U) << "whether the branch has moved";
  server.forget_requests();
  options.revision = commit;
  static_cast<void>(get("model.safetensors"));
  EXPECT_THAT(server.requests(), IsEmpty()) << "a commit never moves";
}

TEST_F(DownloadTest, TakesAllFilesOfACallFromOneCommit) {  // P61
  hub::Repository repository("org/name", options);
  server.commit("org/name", {{"config.json", "{\"new\":1}"}});
  EXPECT_EQ(read(repository.fetch("config.json")), "{}");
  EXPECT_EQ(read(get("config.json")), "{\"new\":1}") << "the next call sees the new one";
}

TEST_F(DownloadTest, KnowsBranchesCommitsAndPullRequests) {  // H09
  server.commit("org/name", {{"config.json", "{\"pr\":1}"}}, "refs/pr/1");
  options.revision = "refs/pr/1";
  EXPECT_EQ(read(get("config.json")), "{\"pr\":1}");
  options.revision = "v9";
  EXPECT_THAT(message_of<RevisionNotFoundError>([&] { get("config.json"); }),
              AllOf(HasSubstr("v9"), HasSubstr("org/name")));
}

TEST_F(DownloadTest, RemembersWhatIsNotThere) {  // H08, H09
  EXPECT_EQ(cached_file("org/name", "none.json", options), std::nullopt);
  EXPECT_TRUE(fs::exists(cache / "models--org--name" / ".no_exist" / commit / "none.json"));
  server.forget_requests();
  options.revision = commit;
  EXPECT_EQ(cached_file("org/name", "none.json", options), std::nullopt);
  EXPECT_FALSE(has_file("org/name", "none.json", options));
  EXPECT_THAT(server.requests(), IsEmpty());
  EXPECT_TRUE(has_file("org/name", "config.json", options));
  EXPECT_EQ(count("GET", "/resolve/"), 0) << "nothing is fetched";
  hub::Repository repository("org/name", options);
  EXPECT_THAT(message_of<EntryNotFoundError>([&] { repository.fetch("none.json"); }), HasSubstr("none.json"));
}

TEST_F(DownloadTest, WorksWithServersThatListNothing) {
  server.add_fault({.kind = Fault::Kind::Status, .target = "/tree/", .times = -1, .number = 404});
  EXPECT_EQ(read(get("model.safetensors")), big);
  EXPECT_EQ(cached_file("org/name", "none.json", options), std::nullopt);
  EXPECT_TRUE(fs::exists(cache / "models--org--name" / ".no_exist" / commit / "none.json"));
}

TEST_F(DownloadTest, SaysWhichRepositoryIsNotThere) {  // H11
  EXPECT_THAT(message_of<RepositoryNotFoundError>([&] { cached_file("org/nobody", "config.json", options).value(); }),
              AllOf(HasSubstr("org/nobody"), HasSubstr("token")));
  EXPECT_THROW(static_cast<void>(cached_file("org/na me", "config.json", options)), ValueError);
}

TEST_F(DownloadTest, ShowsPrivateAndGatedOnesToATokenOnly) {  // H07, H11
  server.add_token("hf_good", "me");
  server.set_access("org/name", Access::Gated);
  EXPECT_THAT(message_of<GatedRepoError>([&] { get("config.json"); }),
              AllOf(HasSubstr("asked for"), HasSubstr(server.url() + "/org/name")));
  server.set_access("org/name", Access::Private);
  EXPECT_THAT(message_of<RepositoryNotFoundError>([&] { get("config.json"); }), HasSubstr("token"));
  options.token = "hf_good";
  EXPECT_EQ(read(get("model.safetensors")), big);
  for (const auto& request : server.requests())
    EXPECT_EQ(request.is_storage && !request.authorization.empty(), false) << "the token went to another host";
  options.token = true;
  EXPECT_THAT(message_of<OSError>([&] { get("sub/vocab.txt"); }), HasSubstr("login"));
  set("HF_TOKEN", " hf_good\n");
  EXPECT_EQ(read(get("sub/vocab.txt")), "a\nb\n");
  options.token = false;
  options.force_download = true;
  EXPECT_THROW(get("sub/vocab.txt"), RepositoryNotFoundError);
}

TEST_F(DownloadTest, NeverShowsATokenToAnotherHost) {  // H07
  hub_tests::HubServer other;
  set("HF_TOKEN", "hf_secret_token");
  server.add_token("hf_secret_token", "me");
  server.add_fault(
      {.kind = Fault::Kind::RedirectTo, .method = "GET", .target = "/resolve/", .text = other.url() + "/elsewhere"});
  logging::Capture capture;
  try {
    get("config.json");
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), Not(HasSubstr("hf_secret_token")));
  }
  ASSERT_THAT(other.requests(), Not(IsEmpty())) << "the redirect is followed";
  for (const auto& request : other.requests()) EXPECT_EQ(request.authorization, "");
  for (const auto& request : server.requests()) EXPECT_EQ(request.authorization, "Bearer hf_secret_token");
  EXPECT_FALSE(capture.contains("hf_secret_token"));
}

TEST_F(DownloadTest, AsksThroughAProxy) {  // P57
  set("HF_ENDPOINT", "http://hub.invalid");
  for (const std::string key : {"http", "http://hub.invalid", "all"}) {
    options.proxies = {{key, server.url()}, {"https", "http://127.0.0.1:9"}};
    server.forget_requests();
    EXPECT_THROW(get("config.json"), RepositoryNotFoundError) << "the test Hub is no proxy";
    EXPECT_EQ(count("HEAD", "http://hub.invalid/org/name/resolve/main/config.json"), 1) << key;
  }
}

TEST_F(DownloadTest, SaysNothingAboutTheMachine) {  // telemetry
  get("model.safetensors");
  for (const auto& request : server.requests())
    EXPECT_EQ(request.user_agent, "transformers.cpp/" + std::string(kVersion));
}

TEST_F(DownloadTest, OpensNoSocketOffline) {  // H10, P74
  get("config.json");
  EXPECT_EQ(cached_file("org/name", "none.json", options), std::nullopt);
  server.forget_requests();
  for (const char* variable : {"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", ""}) {
    if (*variable) set(variable, "YES");
    options.local_files_only = *variable == 0;
    EXPECT_EQ(read(get("config.json")), "{}");
    EXPECT_EQ(cached_file("org/name", "none.json", options), std::nullopt);
    EXPECT_EQ(snapshot_download("org/name", {.allow = {"config.json"}}, options).filename(), commit);
    EXPECT_THAT(message_of<LocalEntryNotFoundError>([&] { get("model.safetensors"); }),
                AllOf(HasSubstr("model.safetensors"), HasSubstr("org/name"),
                      HasSubstr(*variable ? variable : "local_files_only")));
    EXPECT_THROW(static_cast<void>(cached_file("org/other", "x", options)), LocalEntryNotFoundError);
    if (*variable) {
      EXPECT_THROW(hub::HttpClient({}), OfflineModeIsEnabled);
      set(variable, nullptr);
    }
  }
  EXPECT_EQ(server.connections(), 0);
}

TEST_F(DownloadTest, UsesTheCacheWhenNobodyAnswers) {  // H10
  get("config.json");
  const logging::Capture capture;
  set("HF_ENDPOINT", "http://127.0.0.1:9");
  EXPECT_EQ(read(get("config.json")), "{}");
  EXPECT_TRUE(capture.contains("cached files", logging::Level::Warning));
  EXPECT_THAT(message_of<LocalEntryNotFoundError>([&] { get("model.safetensors"); }), HasSubstr("cannot be asked"));
  options.retry.retries = 1;
  EXPECT_THAT(message_of<LocalEntryNotFoundError>([&] { cached_file("org/new", "config.json", options).value(); }),
              HasSubstr("127.0.0.1:9"));
}

TEST_F(DownloadTest, ReplacesABlobWhenForced) {  // H08
  const auto path = get("config.json");
  const auto blob = fs::canonical(path);
  std::ofstream(blob) << "damaged";
  EXPECT_EQ(read(get("config.json")), "damaged") << "what is cached is used as it is";
  options.force_download = true;
  EXPECT_EQ(read(get("config.json")), "{}");
  options.local_files_only = true;
  EXPECT_THROW(get("config.json"), ValueError);
}

TEST_F(DownloadTest, CopiesWhereThereAreNoLinks) {  // H08
  set("HF_HUB_DISABLE_SYMLINKS", "1");
  const auto path = get("config.json");
  EXPECT_FALSE(fs::is_symlink(path));
  EXPECT_EQ(read(path), "{}");
  server.forget_requests();
  get("config.json");
  EXPECT_EQ(count("GET", ""), 0);
}

TEST_F(DownloadTest, FetchesWholeSnapshotsByPatterns) {
  const auto folder = snapshot_download("org/name", {.ignore = {"*.safetensors"}}, options);
  EXPECT_TRUE(fs::exists(folder / "config.json"));
  EXPECT_TRUE(fs::exists(folder / "sub" / "vocab.txt"));
  EXPECT_FALSE(fs::exists(folder / "model.safetensors"));
  set("HF_HUB_OFFLINE", "1");
  EXPECT_EQ(snapshot_download("org/name", {.allow = {"sub/"}}, options), folder);
  EXPECT_THAT(
      message_of<LocalEntryNotFoundError>([&] { static_cast<void>(snapshot_download("org/name", {}, options)); }),
      HasSubstr("model.safetensors"))
      << "the listing tells that it is incomplete";
}

TEST_F(DownloadTest, ReadsListingsOfManyPages) {
  std::map<std::string, std::string> files;
  for (int i = 0; i < 40; ++i) files["many/" + std::to_string(i) + ".txt"] = std::to_string(i);
  server.commit("org/many", files);
  server.set_page_size(7);
  hub::Repository repository("org/many", options);
  EXPECT_EQ(repository.list().size(), 40U);
  EXPECT_GT(count("GET", "cursor="), 4);
}

TEST_F(DownloadTest, ReadsFromACacheThatCannotBeWritten) {
  get("config.json");
  std::vector<fs::path> folders = {root / "home"};
  for (const auto& entry : fs::recursive_directory_iterator(root / "home"))
    if (entry.is_directory() && !entry.is_symlink()) folders.push_back(entry.path());
  for (const auto& folder : folders) ASSERT_EQ(::chmod(folder.c_str(), 0555), 0);
  ASSERT_EQ(::chmod(root.c_str(), 0755), 0);
  const bool is_root = ::geteuid() == 0;
  if (is_root) static_cast<void>(::seteuid(65534) == 0);  // root may write everywhere
  std::string text, refusal;
  try {
    text = read(get("config.json"));
    refusal = message_of<OSError>([&] { get("model.safetensors"); });
  } catch (const Error& error) {
    ADD_FAILURE() << error.what();
  }
  if (is_root) static_cast<void>(::seteuid(0) == 0);
  for (const auto& folder : folders) ::chmod(folder.c_str(), 0755);
  EXPECT_EQ(text, "{}");
  EXPECT_THAT(refusal, AllOf(HasSubstr(cache.native()), HasSubstr("HF_HUB_CACHE")));
}

TEST_F(DownloadTest, RefusesNamesThatLeaveTheCache) {  // anchors.md 4.2
  for (const char* name : {"../x", "/etc/passwd", "a/../../x", "C:x", "a\\b"})
    EXPECT_THROW(static_cast<void>(cached_file("org/name", name, options)), ValueError) << name;
  options.revision = "../../x";
  EXPECT_THROW(static_cast<void>(cached_file("org/name", "config.json", options)), ValueError);
  options.revision = "main";
  server.commit("org/evil", {{"../../../../evil.txt", "x"}, {"config.json", "{}"}});
  EXPECT_THROW(static_cast<void>(snapshot_download("org/evil", {}, options)), HubError);
  EXPECT_FALSE(fs::exists(root / "evil.txt"));
}

}  // namespace
}  // namespace transformers
