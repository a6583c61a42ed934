// Models by their Hub id.
#include "tests/hub/hub_test.h"
#include "transformers/hub/snapshot.h"

namespace transformers {
namespace {

namespace fs = std::filesystem;
using hub_tests::Fault;
using hub_tests::message_of;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

struct ResolveTest : hub_tests::HubTest {};

TEST_F(ResolveTest, FetchesWhatIsAskedFor) {  // P58, P61
  const std::string big(33 << 20, 'w');
  server.commit(
      "org/name",
      {{"config.json", "{}"}, {"model.safetensors", big}, {"pytorch_model.bin", big}, {"tokenizer.json", "[]"}});
  const auto snapshot = resolve_snapshot("org/name", options);
  EXPECT_EQ(snapshot.source, "org/name");
  EXPECT_TRUE(snapshot.has("config.json"));
  EXPECT_TRUE(fs::exists(snapshot.folder / "config.json")) << "small files come when they are looked for";
  EXPECT_TRUE(snapshot.has("model.safetensors"));
  EXPECT_FALSE(fs::exists(snapshot.folder / "model.safetensors")) << "large ones when they are wanted";
  EXPECT_EQ(fs::file_size(snapshot.file("model.safetensors")), big.size());
  EXPECT_FALSE(snapshot.has("model.safetensors.index.json"));
  EXPECT_FALSE(fs::exists(snapshot.file("model.safetensors.index.json"))) << "a path all the same";
  snapshot.fetch_tokenizer();
  EXPECT_TRUE(fs::exists(snapshot.folder / "tokenizer.json"));
  EXPECT_FALSE(fs::exists(snapshot.folder / "pytorch_model.bin"));
}

TEST_F(ResolveTest, AsksOnceForAModelThatIsCached) {
  server.commit("org/name", {{"config.json", "{}"}, {"model.safetensors", "weights"}, {"tokenizer.json", "[]"}});
  const auto load = [&] {
    const auto snapshot = resolve_snapshot("org/name", options);
    static_cast<void>(snapshot.has("generation_config.json"));
    snapshot.fetch_tokenizer();
    return read_text(snapshot.file("config.json")) + read_text(snapshot.file("model.safetensors"));
  };
  EXPECT_EQ(load(), "{}weights");
  server.forget_requests();
  EXPECT_EQ(load(), "{}weights");
  EXPECT_EQ(server.requests().size(), 1U);
  server.forget_requests();
  set("HF_HUB_OFFLINE", "1");
  EXPECT_EQ(load(), "{}weights");
  EXPECT_EQ(server.connections(), 0) << "P74";
}

TEST_F(ResolveTest, BringsTheShardsOfAnIndex) {
  server.commit("org/name", {{"sub/config.json", "{}"},
                             {"sub/model.safetensors.index.json",
                              R"({"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}})"},
                             {"sub/one.safetensors", "1"},
                             {"sub/two.safetensors", "2"}});
  options.subfolder = "sub";
  const auto snapshot = resolve_snapshot("org/name", options);
  const auto index = snapshot.file("model.safetensors.index.json");
  EXPECT_EQ(read_text(index.parent_path() / "two.safetensors"), "2");
  server.commit("org/evil",
                {{"config.json", "{}"}, {"model.safetensors.index.json", R"({"weight_map": {"a": "../../../x"}})"}});
  options.subfolder = "";
  EXPECT_THROW(static_cast<void>(resolve_snapshot("org/evil", options).file("model.safetensors.index.json")),
               ValueError);
}

TEST_F(ResolveTest, BringsTheShardsOfAVariant) {  // P50
  server.commit("org/name", {{"model.safetensors.index.fp16.json", R"({"weight_map": {"a": "one.fp16.safetensors"}})"},
                             {"one.fp16.safetensors", "1"}});
  const auto index = resolve_snapshot("org/name", options).file("model.safetensors.index.fp16.json");
  EXPECT_EQ(read_text(index.parent_path() / "one.fp16.safetensors"), "1");
}

TEST_F(ResolveTest, TakesTheOnlyGgufFileOfARepository) {
  server.commit("org/gguf", {{"README.md", "#"}, {"model.q8_0.gguf", "GGUF"}});
  const auto snapshot = resolve_snapshot("org/gguf", options);
  EXPECT_EQ(read_text(snapshot.weights_file), "GGUF");
  server.commit("org/gguf", {{"model.q4_0.gguf", "GGUF"}});
  EXPECT_THAT(message_of<OSError>([&] { static_cast<void>(resolve_snapshot("org/gguf", options)); }),
              AllOf(HasSubstr("org/gguf"), HasSubstr("model.q4_0.gguf, model.q8_0.gguf")));
}

TEST_F(ResolveTest, SaysThatItIsOffline) {  // P74
  set("HF_HUB_OFFLINE", "1");
  EXPECT_THAT(message_of<LocalEntryNotFoundError>([&] { static_cast<void>(resolve_snapshot("org/name", options)); }),
              AllOf(HasSubstr("org/name"), HasSubstr("HF_HUB_OFFLINE")));
  set("HF_HUB_OFFLINE", nullptr);
  options.local_files_only = true;
  EXPECT_THAT(message_of<LocalEntryNotFoundError>([&] { static_cast<void>(resolve_snapshot("org/name", options)); }),
              HasSubstr("local_files_only"));
  EXPECT_EQ(server.connections(), 0);
}

TEST_F(ResolveTest, RecognisesLfsPointersInAFolder) {
  fs::create_directories(root / "clone");
  std::ofstream(root / "clone" / "model.safetensors")
      << "version https://git-lfs.github.com/spec/v1\noid sha256:" << std::string(64, 'a') << "\nsize 5\n";
  const auto snapshot = resolve_snapshot(root / "clone", options);
  EXPECT_THAT(message_of<OSError>([&] { static_cast<void>(snapshot.file("model.safetensors")); }),
              HasSubstr("git lfs pull"));
}

}  // namespace
}  // namespace transformers
