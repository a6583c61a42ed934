// Reading what torch.save writes (S08, P62).
#include "transformers/checkpoint/pickle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "support.h"
#include "transformers/base/error.h"
#include "transformers/base/strings.h"

namespace transformers {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::filesystem::path pickle_file(std::string_view name) { return testing::data_file(str("pickle/", name)); }

std::vector<std::string> names_of(const CheckpointReader& reader) {
  std::vector<std::string> names;
  for (const auto& entry : reader.entries()) names.push_back(entry.name);
  return names;
}

class PickleForms : public ::testing::TestWithParam<const char*> {};

TEST_P(PickleForms, ReadAsTheReferenceReadsThem) {  // every dtype, views, ties, strides, parameters
  const auto expected = open_checkpoint(pickle_file("expected.safetensors"));
  const auto reader = open_checkpoint(pickle_file(GetParam()));
  EXPECT_EQ(reader->dialect(), "transformers");
  EXPECT_EQ(reader->entries().size(), expected->entries().size());
  for (const auto& entry : expected->entries()) {
    SCOPED_TRACE(entry.name);
    const auto* found = reader->find(entry.name);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->dtype, entry.dtype);
    EXPECT_EQ(found->shape, entry.shape);
    const auto want = expected->bytes(entry), have = reader->bytes(*found);
    EXPECT_TRUE(std::equal(want.bytes.begin(), want.bytes.end(), have.bytes.begin(), have.bytes.end()));
  }
}

INSTANTIATE_TEST_SUITE_P(Goldens, PickleForms,
                         ::testing::Values("zip.bin", "plain.bin", "protocol4.pt", "protocol5.pt"));

TEST(Pickle, MapsRowMajorTensorsAndCopiesTheOthers) {
  const auto reader = open_checkpoint(pickle_file("zip.bin"));
  const auto address = [&](const char* name) { return reader->bytes(*reader->find(name)).bytes.data(); };
  EXPECT_EQ(address("whole"), address("tie"));
  EXPECT_EQ(address("part"), address("whole") + 40 * 4);
  EXPECT_EQ(reader->find("part")->offset, reader->find("whole")->offset + 40 * 4);
  EXPECT_EQ(reader->find("transposed")->offset, 0U);
  EXPECT_NE(address("transposed"), address("whole"));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(address("whole")) % 64, 0U);
}

TEST(Pickle, KeepsTheOrderOfTheDict) {
  EXPECT_THAT(names_of(*open_checkpoint(pickle_file("trainer.ckpt"))), ElementsAre("a", "b"));
  EXPECT_TRUE(open_checkpoint(pickle_file("nothing.pt"))->entries().empty());
}

TEST(Pickle, FindsTheStateDictOfATrainerAndSaysSo) {
  const auto reader = open_checkpoint(pickle_file("trainer.ckpt"));
  EXPECT_EQ(reader->metadata().at("wrapped_in"), Json("state_dict"));
  EXPECT_EQ(reader->find("b")->dtype, DataType::BF16);
}

TEST(Pickle, ListsWhatItLeavesOut) {
  const auto reader = open_checkpoint(pickle_file("mixed.pt"));
  EXPECT_THAT(names_of(*reader), ElementsAre("a"));
  EXPECT_EQ(reader->metadata().at("unread").dump(), R"(["epoch","name","nested"])");
}

// The text of the ValueError with which `file` is refused.
std::string refusal(const std::filesystem::path& file) {
  try {
    static_cast<void>(open_checkpoint(file));
  } catch (const ValueError& error) {
    EXPECT_THAT(error.what(), HasSubstr(file.native()));
    return error.what();
  }
  ADD_FAILURE() << file << " was opened";
  return "";
}

TEST(Pickle, RefusesCodeByNameAndPlace) {  // S08, V15, CVE-2025-32434
  for (const char* name : {"code.bin", "code_plain.bin"}) {
    const auto text = refusal(pickle_file(name));
    EXPECT_THAT(text, AllOf(HasSubstr("'posix.system'"), HasSubstr("code and not weights"))) << name;
    const auto at = std::stoul(text.substr(text.find("at byte ") + 8));
    EXPECT_EQ(read_text(pickle_file(name)).substr(at, 13), "cposix\nsystem") << name;
  }
  EXPECT_THAT(refusal(pickle_file("script.pt")), HasSubstr("TorchScript"));
}

TEST(Pickle, NamesTensorsThatItCannotRead) {
  EXPECT_THAT(refusal(pickle_file("sparse.pt")), HasSubstr("'torch._utils._rebuild_sparse_tensor'"));
  EXPECT_THAT(refusal(pickle_file("complex128.pt")), AllOf(HasSubstr("'a'"), HasSubstr("ComplexDoubleStorage")));
}

TEST(Pickle, NamesTheTopLevelKeysWhenNoneIsATensor) {
  EXPECT_THAT(refusal(pickle_file("nested.pt")), AllOf(HasSubstr("'encoder', 'decoder'"), HasSubstr("state dict")));
  EXPECT_THAT(refusal(pickle_file("list.pt")), HasSubstr("a list, expected a dict"));
}

TEST(Pickle, ReadsShardsUnderAnIndex) {  // S03, S11
  const auto reader = open_checkpoint(pickle_file("llama.bin.index.json"));
  EXPECT_EQ(reader->files().size(), 2U);
  EXPECT_TRUE(reader->find("model.embed_tokens.weight"));
}

TEST(Pickle, IsRecognisedByContent) {
  const testing::TemporaryFolder folder;
  for (const char* name : {"zip.bin", "plain.bin"})
    EXPECT_GT(open_checkpoint(folder.write("6f3a9c", read_text(pickle_file(name))))->entries().size(), 30U);
  // A name proves nothing: here the content is another format's.
  const auto other = read_text(pickle_file("expected.safetensors"));
  EXPECT_GT(open_checkpoint(folder.write("renamed.bin", other))->entries().size(), 30U);
}

TEST(Pickle, LeavesSafetensorsAloneWhoseLengthLooksLikeAPickle) {
  const testing::TemporaryFolder folder;
  for (const size_t length : {0x280, 0x380, 0x480, 0x580}) {  // little-endian: 80 02, …
    std::string header = R"({"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";
    header.resize(length, ' ');
    const auto file = folder.write("model.safetensors", str(testing::little_endian(length, 8), header, "a"));
    EXPECT_EQ(open_checkpoint(file)->entries().size(), 1U) << length;
  }
}

TEST(Pickle, VerifyFindsAChangedByte) {
  const testing::TemporaryFolder folder;
  const auto reader = open_checkpoint(pickle_file("zip.bin"));
  auto content = read_text(pickle_file("zip.bin"));
  verify_pytorch(folder.write("whole.bin", content));
  EXPECT_EQ(reader->verify(*reader->find("whole")), Integrity::Intact);
  content[reader->find("whole")->offset + 5] ^= 1;
  const auto damaged = folder.write("damaged.bin", content);
  const auto opened = open_checkpoint(damaged);
  EXPECT_EQ(opened->entries().size(), reader->entries().size());
  for (const char* name : {"whole", "tie", "column"})  // one storage
    EXPECT_EQ(opened->verify(*opened->find(name)), Integrity::Damaged) << name;
  EXPECT_EQ(opened->verify(*opened->find("cube")), Integrity::Intact);
  const auto plain = open_checkpoint(pickle_file("plain.bin"));
  EXPECT_EQ(plain->verify(*plain->find("whole")), Integrity::Unknown);
  try {
    verify_pytorch(damaged);
    FAIL();
  } catch (const OSError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("zip/data/"), HasSubstr("checksum")));
  }
  verify_pytorch(pickle_file("plain.bin"));
}

TEST(Pickle, RefusesTheOtherByteOrder) {
  const testing::TemporaryFolder folder;
  const auto content = replace_all(read_text(pickle_file("zip.bin")), "little", "bigbig");
  EXPECT_THROW(static_cast<void>(open_checkpoint(folder.write("big.bin", content))), OSError);
}

TEST(Pickle, SaysHowToConvertTheTarForm) {
  const testing::TemporaryFolder folder;
  std::string tar(1024, '\0');
  tar.replace(0, 8, "sys_info");
  tar.replace(257, 5, "ustar");
  try {
    static_cast<void>(open_checkpoint(folder.write("old.pth", tar)));
    FAIL();
  } catch (const OSError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("tar file"), HasSubstr("torch.save")));
  }
}

}  // namespace
}  // namespace transformers
