#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "support.h"
#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/safetensors.h"

namespace transformers {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::TemporaryFolder;

std::string refusal(const std::filesystem::path& file) {
  try {
    static_cast<void>(open_checkpoint(file));
  } catch (const OSError& error) {
    EXPECT_THAT(error.what(), HasSubstr(file.native()));
    return error.what();
  }
  ADD_FAILURE() << file << " was opened";
  return "";
}

TEST(Formats, AreListedInAlphabeticalOrder) {
  const auto formats = checkpoint_formats();
  EXPECT_TRUE(std::is_sorted(formats.begin(), formats.end(), [](auto* a, auto* b) { return a->name < b->name; }));
}

TEST(Formats, AreRecognisedByContentWhenTheNameSaysNothing) {
  const TemporaryFolder folder;
  for (const char* name : {"all_dtypes.safetensors", "small.gguf"}) {
    const auto content = read_text(testing::data_file(str("reference/", name)));
    const auto blob = folder.write("6f3a9c", content);
    EXPECT_EQ(open_checkpoint(blob)->entries().size(),
              open_checkpoint(testing::data_file(str("reference/", name)))->entries().size());
  }
}

TEST(Formats, SayWhatLiesInPlaceOfTheWeights) {  // P62
  const TemporaryFolder folder;
  EXPECT_THAT(refusal(folder.write("model.safetensors",
                                   "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")),
              AllOf(HasSubstr("Git LFS pointer"), HasSubstr("git lfs pull")));
  EXPECT_THAT(refusal(folder.write("page.gguf", "\n<!DOCTYPE html>\n<html>")), HasSubstr("web page"));
  EXPECT_THAT(refusal(folder.write("empty.safetensors", "")), HasSubstr("empty"));
  EXPECT_THAT(refusal(folder.path()), HasSubstr("folder"));
  EXPECT_THROW(static_cast<void>(open_checkpoint(folder.path() / "none.safetensors")), FileNotFoundError);
}

TEST(Formats, NameThoseThatThisVersionDoesNotRead) {
  const TemporaryFolder folder;
  for (const char* name : {"model.keras", "model.npz", "model.onnx"})
    EXPECT_THAT(refusal(folder.write(name, "PK of another kind")),
                AllOf(HasSubstr("is not in this version"), HasSubstr("safetensors")))
        << name;
  EXPECT_THAT(refusal(folder.write("model.xyz", "something")), HasSubstr("no known format"));
}

std::string one_tensor(std::string_view name, std::string_view data) {
  const auto header =
      str("{\"", name, "\":{\"dtype\":\"U8\",\"shape\":[", data.size(), "],\"data_offsets\":[0,", data.size(), "]}}");
  return str(testing::little_endian(header.size(), 8), header, data);
}

std::string index_of(std::string_view weight_map) {
  return str("{\"metadata\":{\"total_size\":6,\"dtype\":\"float32\"},\"weight_map\":", weight_map, "}");
}

class Index : public ::testing::Test {
 protected:
  std::filesystem::path write_index(std::string_view content) const {
    return folder_.write("model.safetensors.index.json", content);
  }
  void SetUp() override {
    folder_.write("s-1.safetensors", one_tensor("x", "abc"));
    folder_.write("s-2.safetensors", one_tensor("y", "def"));
  }
  TemporaryFolder folder_;
};

TEST_F(Index, JoinsItsShards) {  // S03, S11
  const auto reader = open_checkpoint(write_index(index_of(R"({"y":"s-2.safetensors","x":"s-1.safetensors"})")));
  ASSERT_EQ(reader->files().size(), 2U);
  EXPECT_EQ(reader->files()[0].filename(), "s-1.safetensors");
  EXPECT_EQ(reader->metadata().at("total_size"), Json(6));
  const auto* y = reader->find("y");
  ASSERT_TRUE(y);
  EXPECT_EQ(y->file, 1U);
  EXPECT_EQ(reader->bytes(*y).bytes[0], std::byte{'d'});
  EXPECT_EQ(reader->entries().size(), 2U);
  auto stray = *y;
  stray.file = 7;
  EXPECT_THROW(static_cast<void>(reader->bytes(stray)), ValueError);
}

TEST_F(Index, NamesTheShardThatIsMissing) {  // P64
  const auto file = write_index(index_of(R"({"x":"s-1.safetensors","y":"s-9.safetensors"})"));
  try {
    static_cast<void>(open_checkpoint(file));
    FAIL();
  } catch (const OSError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("s-9.safetensors"), HasSubstr("missing"), HasSubstr("index.json")));
  }
}

TEST_F(Index, NamesTheKeyThatItsShardLacks) {
  const auto file = write_index(index_of(R"({"x":"s-1.safetensors","y":"s-2.safetensors","z":"s-2.safetensors"})"));
  EXPECT_THAT(refusal(file), AllOf(HasSubstr("'z'"), HasSubstr("s-2.safetensors")));
  const auto swapped = write_index(index_of(R"({"x":"s-2.safetensors","y":"s-1.safetensors"})"));
  EXPECT_THAT(refusal(swapped), HasSubstr("does not hold it"));
}

TEST_F(Index, TakesAKeyOfTwoShardsFromTheOneItNames) {
  folder_.write("s-2.safetensors", one_tensor("x", "def"));
  folder_.write("s-3.safetensors", one_tensor("y", "ghi"));
  const auto reader = open_checkpoint(write_index(index_of(R"({"x":"s-2.safetensors","y":"s-3.safetensors"})")));
  EXPECT_EQ(reader->entries().size(), 2U);
  EXPECT_EQ(reader->bytes(*reader->find("x")).bytes[0], std::byte{'d'});
}

TEST_F(Index, RefusesNamesThatLeadElsewhere) {  // S11
  for (const char* name :
       {"../s-1.safetensors", "/etc/passwd", "a/../s-1.safetensors", "sub/s-1.safetensors", "..", ".", "",
        "C:x.safetensors", "..\\\\x", "s-1.safetensors\\u0000", "model.safetensors.index.json"}) {
    const auto file = write_index(index_of(str("{\"x\":\"", name, "\"}")));
    EXPECT_THROW(static_cast<void>(open_checkpoint(file)), ValueError) << name;
  }
}

TEST_F(Index, RefusesWhatIsNoWeightMap) {  // S03
  for (const char* content : {"{}", "[]", R"({"weight_map":[]})", R"({"weight_map":{"x":1}})"})
    EXPECT_THROW(static_cast<void>(open_checkpoint(write_index(content))), ValueError) << content;
  EXPECT_THAT(refusal(write_index("{\"weight_map\":")), HasSubstr("JSON"));
  EXPECT_THAT(refusal(write_index(index_of(R"({"x":"s-1.safetensors","x":"s-2.safetensors"})"))), HasSubstr("twice"));
  EXPECT_THROW(static_cast<void>(open_checkpoint(write_index(index_of("{}")))), ValueError);
}

}  // namespace
}  // namespace transformers
