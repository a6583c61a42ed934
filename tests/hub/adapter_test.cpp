// The base model of an adapter (P73, cli.md).
#include "transformers/hub/adapter.h"

#include "hub_test.h"
#include "transformers/base/error.h"

namespace transformers::hub_tests {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

struct AdapterBase : HubTest {
  AdapterBase() { fs::create_directories(root / "adapter"); }
  ~AdapterBase() override { fs::current_path(start); }

  static void write(const fs::path& file, const std::string& text) {
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  Snapshot adapter_of(const std::string& base) const {
    write(root / "adapter" / "adapter_config.json",
          R"({"peft_type": "LORA", "base_model_name_or_path": ")" + base + R"("})");
    return resolve_snapshot(root / "adapter", options);
  }
  fs::path start = fs::current_path();
};

TEST_F(AdapterBase, IsAPathFromTheWorkingDirectoryOrBesideTheAdapter) {
  write(root / "models/base/config.json", "{}");
  EXPECT_EQ(base_of_adapter(adapter_of((root / "models/base").string()), options).folder, root / "models/base");
  write(root / "base/config.json", "{}");
  EXPECT_EQ(base_of_adapter(adapter_of("base"), options).folder, root / "base");
  write(root / "adapter/inside/config.json", "{}");
  EXPECT_EQ(base_of_adapter(adapter_of("inside"), options).folder, root / "adapter/inside");
  fs::current_path(root / "models");
  EXPECT_EQ(base_of_adapter(adapter_of("base"), options).folder, "base");  // where the user stands goes first
  EXPECT_EQ(base_of_adapter(adapter_of("../models/base"), options).folder, "../models/base");
  fs::current_path(start);
  EXPECT_THAT(message_of<FileNotFoundError>([&] { (void)base_of_adapter(adapter_of("../base"), options); }),
              AllOf(HasSubstr("adapter_config.json"), HasSubstr("'../base'")));  // leads out of what lies beside
  EXPECT_TRUE(server.requests().empty());
}

TEST_F(AdapterBase, IsARepositoryAtItsOwnRevision) {
  server.commit("org/base", {{"config.json", R"({"of": "main"})"}});
  server.commit("org/base", {{"config.json", R"({"of": "v2"})"}}, "v2");
  server.commit("org/adapter", {{"adapter_config.json", R"({"peft_type": "LORA", "base_model_name_or_path": "org/base",
                                                           "revision": "v2"})"},
                                {"adapter_model.safetensors", "x"}});
  for (const auto* repo : {"org/base", "org/adapter"}) server.set_access(repo, Access::Private);
  server.add_token("hf_secret", "someone");
  options.token = "hf_secret";
  const auto adapter = resolve_snapshot("org/adapter", options);
  ASSERT_TRUE(is_adapter_alone(adapter));
  const auto base = base_of_adapter(adapter, options);
  EXPECT_EQ(read_text(base.file("config.json")), R"({"of": "v2"})");
  EXPECT_FALSE(is_adapter_alone(base));
  for (const auto& request : server.requests()) {
    if (request.is_storage) continue;
    EXPECT_EQ(request.authorization, "Bearer hf_secret") << request.target;
  }
  server.forget_requests();  // all of it is in the cache now
  set("HF_HUB_OFFLINE", "1");
  const auto again = base_of_adapter(resolve_snapshot("org/adapter", options), options);
  EXPECT_EQ(read_text(again.file("config.json")), R"({"of": "v2"})");
  EXPECT_TRUE(server.requests().empty());
}

TEST_F(AdapterBase, OfARepositoryIsNoPlaceOnThisDisk) {
  write(root / "base/config.json", "{}");
  const auto refused = [&](const std::string& base) {
    server.commit("org/adapter",
                  {{"adapter_config.json", R"({"peft_type": "LORA", "base_model_name_or_path": ")" + base + R"("})"}});
    const auto adapter = resolve_snapshot("org/adapter", options);
    return message_of<ValueError>([&] { (void)base_of_adapter(adapter, options); });
  };
  EXPECT_THAT(refused((root / "base").string()), HasSubstr("not a Hub id"));
  EXPECT_THAT(refused("../../base"), HasSubstr("not a Hub id"));
}

TEST_F(AdapterBase, IsNoAdapterItself) {
  EXPECT_THAT(message_of<ValueError>([&] { (void)base_of_adapter(adapter_of((root / "adapter").string()), options); }),
              HasSubstr("is itself an adapter"));
  const auto nameless = adapter_of("");
  EXPECT_THAT(message_of<ValueError>([&] { (void)base_of_adapter(nameless, options); }),
              HasSubstr("names no base model"));
}

TEST_F(AdapterBase, LendsItsTokenizerWhereTheAdapterHasNone) {
  write(root / "base/config.json", "{}");
  write(root / "base/tokenizer.json", "{}");
  EXPECT_EQ(snapshot_of_tokenizer(adapter_of("base"), options).folder, root / "base");
  write(root / "adapter/tokenizer.json", "{}");
  EXPECT_EQ(snapshot_of_tokenizer(adapter_of("base"), options).folder, root / "adapter");
}

}  // namespace
}  // namespace transformers::hub_tests
