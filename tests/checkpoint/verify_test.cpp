#include "transformers/checkpoint/verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support.h"
#include "transformers/base/error.h"
#include "transformers/base/strings.h"

namespace transformers {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::TemporaryFolder;

std::string one_tensor(std::string_view name, std::string_view data) {
  const auto header =
      str("{\"", name, "\":{\"dtype\":\"U8\",\"shape\":[", data.size(), "],\"data_offsets\":[0,", data.size(), "]}}");
  return str(testing::little_endian(header.size(), 8), header, data);
}

// Two shards under an index.
class Verify : public ::testing::Test {
 protected:
  static constexpr const char* kFirst = "model-00001-of-00002.safetensors";
  static constexpr const char* kSecond = "model-00002-of-00002.safetensors";

  void SetUp() override {
    folder_.write(kFirst, one_tensor("x", "abc"));
    folder_.write(kSecond, one_tensor("y", "de"));
    write_index(str("{\"x\":\"", kFirst, "\",\"y\":\"", kSecond, "\"}"));
  }
  void write_index(std::string_view map, std::string_view total = "5") const {
    folder_.write("model.safetensors.index.json",
                  str("{\"metadata\":{\"total_size\":", total, "},\"weight_map\":", map, "}"));
  }
  // Each as `E file key: message`
  std::vector<std::string> findings() const {
    std::vector<std::string> out;
    for (const auto& found : verify_checkpoint(folder_.path()))
      out.push_back(str(found.severity == Severity::Error ? "E " : "W ", found.file.filename(), " ", found.key, ": ",
                        found.message));
    return out;
  }
  TemporaryFolder folder_;
};

TEST_F(Verify, FindsNothingWhereNothingIsWrong) {
  EXPECT_THAT(findings(), IsEmpty());
  folder_.write("training_args.bin", "pickle");
  folder_.write("config.json", "{}");
  EXPECT_THAT(findings(), IsEmpty());
  EXPECT_THAT(verify_checkpoint(folder_.path() / kFirst), IsEmpty());
  EXPECT_THAT(verify_checkpoint(folder_.path() / "model.safetensors.index.json"), IsEmpty());
}

TEST_F(Verify, HoldsTheShardsOfAVariantAgainstItsIndex) {  // P50
  folder_.write("model.fp16-00001-of-00001.safetensors", one_tensor("x", "abc"));
  folder_.write("model.safetensors.index.fp16.json",
                R"({"metadata":{"total_size":3},"weight_map":{"x":"model.fp16-00001-of-00001.safetensors"}})");
  EXPECT_THAT(findings(), IsEmpty());
  fs::remove(folder_.path() / "model.fp16-00001-of-00001.safetensors");
  EXPECT_THAT(findings(), ElementsAre(HasSubstr("E model.fp16-00001-of-00001.safetensors : ")));
}

TEST_F(Verify, FindsAShardThatIsMissingOrCut) {
  fs::remove(folder_.path() / kSecond);
  EXPECT_THAT(findings(), ElementsAre(HasSubstr(str("E ", kSecond, " : "))));
  folder_.write(kSecond, one_tensor("y", "de").substr(0, 50));
  EXPECT_THAT(findings(), ElementsAre(HasSubstr("cut short")));
}

TEST_F(Verify, FindsKeysThatLieElsewhere) {
  write_index(str("{\"x\":\"", kSecond, "\",\"y\":\"", kFirst, "\"}"));
  EXPECT_THAT(findings(), ElementsAre(HasSubstr("W model-00001-of-00002.safetensors x: is a second copy"),
                                      HasSubstr("W model-00002-of-00002.safetensors y: is a second copy"),
                                      HasSubstr("E model.safetensors.index.json y: is not in"),
                                      HasSubstr("E model.safetensors.index.json x: is not in"),
                                      HasSubstr("'total_size' is 5, the tensors take 0")));
  write_index(str("{\"x\":\"", kFirst, "\"}"), "3");
  EXPECT_THAT(findings(), ElementsAre(HasSubstr("W model-00002-of-00002.safetensors : is not named by"),
                                      HasSubstr("names 1 files, among them model-00001-of-00002")));
}

TEST_F(Verify, FindsTensorsThatNoIndexNames) {
  folder_.write(kSecond, one_tensor("z", "de"));
  EXPECT_THAT(findings(),
              ElementsAre(HasSubstr("W model-00002-of-00002.safetensors z: is not named by"),
                          HasSubstr("E model.safetensors.index.json y: is not in"), HasSubstr("'total_size'")));
}

TEST_F(Verify, FindsFilesThatNoIndexNames) {
  folder_.write("model-00003-of-00003.safetensors", one_tensor("z", "f"));
  EXPECT_THAT(findings(), ElementsAre(HasSubstr("left over from another save")));
  fs::remove(folder_.path() / "model-00003-of-00003.safetensors");
  folder_.write("model.safetensors", one_tensor("z", "f"));
  EXPECT_THAT(findings(), ElementsAre(HasSubstr("hides the files")));
  fs::remove(folder_.path() / "model.safetensors");
  fs::remove(folder_.path() / "model.safetensors.index.json");
  EXPECT_THAT(findings(), ElementsAre(HasSubstr("one of 2 files, but no index"), HasSubstr("one of 2 files")));
}

TEST_F(Verify, FindsWhatIsWrongWithTheIndex) {
  for (const char* content : {"{", "[]", "{}", R"({"weight_map":[]})"}) {
    folder_.write("model.safetensors.index.json", content);
    EXPECT_THAT(verify_checkpoint(folder_.path() / "model.safetensors.index.json").size(), 1U) << content;
  }
  write_index(str("{\"x\":1,\"y\":\"", kSecond, "\"}"));
  EXPECT_THAT(findings(), ::testing::Contains(HasSubstr("E model.safetensors.index.json x: 'weight_map' gives a int")));
  for (const char* name : {"../x.safetensors", "/etc/passwd", "sub/x.safetensors", "model.safetensors.index.json"}) {
    write_index(str("{\"x\":\"", name, "\"}"));
    EXPECT_THAT(findings(), ::testing::Contains(HasSubstr("E model.safetensors.index.json : "))) << name;
  }
  for (const char* total : {"6", "\"5\"", "null"}) {
    write_index(str("{\"x\":\"", kFirst, "\",\"y\":\"", kSecond, "\"}"), total);
    EXPECT_THAT(findings(), ElementsAre(HasSubstr("W model.safetensors.index.json : 'total_size' is"))) << total;
  }
}

TEST_F(Verify, KnowsIndicesThatSpellKeysInTheirOwnWay) {  // F16
  const auto found = verify_checkpoint(fs::path(TRANSFORMERS_TEST_DATA) / "formats/bert/flax_sharded");
  EXPECT_TRUE(found.empty()) << found[0].message;
}

TEST_F(Verify, NamesEmptyTensors) {
  const TemporaryFolder folder;
  const auto found = verify_checkpoint(folder.write("model.safetensors", one_tensor("x", "")));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].severity, Severity::Warning);
  EXPECT_EQ(found[0].key, "x");
}

TEST_F(Verify, ComparesChecksums) {
  const TemporaryFolder folder;
  const auto golden = fs::path(TRANSFORMERS_TEST_DATA) / "formats/tf_bundle/partitioned";
  for (const char* name : {"model.ckpt.index", "model.ckpt.data-00000-of-00001"})
    folder.write(name, read_text(golden / name));
  EXPECT_THAT(verify_checkpoint(folder.path()), IsEmpty());
  auto data = read_text(golden / "model.ckpt.data-00000-of-00001");
  data[100] ^= 1;
  folder.write("model.ckpt.data-00000-of-00001", data);
  const auto found = verify_checkpoint(folder.path());
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].severity, Severity::Error);
  EXPECT_THAT(found[0].key, HasSubstr("scope/"));
  EXPECT_THAT(verify_checkpoint(folder.path(), {.checksums = false}), IsEmpty());
}

TEST_F(Verify, RefusesWhatHoldsNoWeights) {
  const TemporaryFolder folder;
  EXPECT_THROW(static_cast<void>(verify_checkpoint(folder.path())), OSError);
  EXPECT_THROW(static_cast<void>(verify_checkpoint(folder.path() / "none")), FileNotFoundError);
}

}  // namespace
}  // namespace transformers
