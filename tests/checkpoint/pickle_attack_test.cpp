// Hostile PyTorch files: refused in one sentence, without reading outside, without much memory or time
// (anchors.md 4.2: 3, 4, 10, 11, 19–21).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>

#include "support.h"
#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/pickle.h"

namespace transformers {
namespace {

using ::testing::HasSubstr;
using testing::little_endian;

double thread_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Opens the file and reads all of it; what it is refused with, or "".
std::string open_all(const std::filesystem::path& file) {
  const uint64_t file_bytes = std::filesystem::file_size(file);
  const testing::AllocationWatch watch;
  const double begin = thread_seconds();
  std::string reason;
  try {
    const auto reader = open_checkpoint(file);
    for (const auto& entry : reader->entries()) {
      EXPECT_LE(entry.size_bytes, file_bytes);
      const auto data = reader->bytes(entry);
      EXPECT_EQ(data.bytes.size(), entry.size_bytes);
      const std::string copy(reinterpret_cast<const char*>(data.bytes.data()), data.bytes.size());
    }
  } catch (const OSError& error) {
    reason = error.what();
  } catch (const ValueError& error) {
    reason = error.what();
  }
  EXPECT_LE(watch.largest(), 16 * file_bytes + (64 << 10)) << reason;
  EXPECT_LT(thread_seconds() - begin, 0.05) << reason;
  EXPECT_TRUE(reason.empty() || reason.starts_with(file.native())) << reason;
  EXPECT_EQ(reason.find('\n'), std::string::npos) << reason;
  return reason;
}

// A zip archive of stored entries, without checksums: neither reader nor torch looks at them.
std::string zip_of(std::span<const std::pair<std::string_view, std::string_view>> entries) {
  std::string out, directory;
  for (const auto& [name, content] : entries) {
    const auto sizes = str(std::string(16, 0), little_endian(content.size(), 4), little_endian(content.size(), 4),
                           little_endian(name.size(), 2), little_endian(0, 2));
    directory += str("PK\x01\x02", little_endian(0, 2), sizes.substr(2), little_endian(0, 10),
                     little_endian(out.size(), 4), name);
    out += str("PK\x03\x04", sizes.substr(2), name, content);
  }
  const auto count = little_endian(entries.size(), 2);
  return str(out, directory, "PK\x05\x06", little_endian(0, 4), count, count, little_endian(directory.size(), 4),
             little_endian(out.size(), 4), little_endian(0, 2));
}

class PickleAttack : public ::testing::Test {
 protected:
  // An archive around `pickle` with one storage "0" of 24 bytes.
  std::filesystem::path archive(std::string_view pickle) const {
    const std::pair<std::string_view, std::string_view> entries[] = {{"x/data.pkl", pickle},
                                                                     {"x/data/0", "abcdefghijklmnopqrstuvwx"}};
    return folder_.write("model.bin", zip_of(entries));
  }
  std::string attack(std::string_view pickle) const { return open_all(archive(str("\x80\x02", pickle, "."))); }
  testing::TemporaryFolder folder_;
};

std::string text(std::string_view value) { return str("X", little_endian(value.size(), 4), value); }
std::string number(uint64_t value) { return str("\x8a\x08", little_endian(value, 8)); }
std::string storage(std::string_view type, std::string_view key, const std::string& count) {
  return str("(", text("storage"), "ctorch\n", type, "\n", text(key), text("cpu"), count, "tQ");
}
// {'w': a tensor}; sizes and strides are the insides of tuples.
std::string tensor(const std::string& first, const std::string& sizes, const std::string& strides,
                   const std::string& count = "K\x06", std::string_view type = "FloatStorage",
                   std::string_view key = "0") {
  return str("}", text("w"), "ctorch._utils\n_rebuild_tensor_v2\n(", storage(type, key, count), first, "(", sizes, "t(",
             strides, "t\x89}tRs");
}
std::string zero() { return std::string("K\0", 2); }

TEST_F(PickleAttack, TheHonestFileOpens) {  // or the others would prove nothing
  EXPECT_EQ(attack(tensor(zero(), "K\x02K\x03", "K\x03K\x01")), "");
  EXPECT_EQ(attack(tensor("K\x05", "K\x01", "K\x01")), "");
  EXPECT_EQ(attack(tensor(zero(), "K\x03K\x02", "K\x01K\x03")), "");
}

TEST_F(PickleAttack, NoElementLiesOutsideItsStorage) {
  EXPECT_THAT(attack(tensor("K\x01", "K\x06", "K\x01")), HasSubstr("reaches element 6 of a storage of 6"));
  EXPECT_THAT(attack(tensor(zero(), "K\x02K\x03", "K\x04K\x01")), HasSubstr("reaches element 6"));
  EXPECT_THAT(attack(tensor(zero(), "K\x06", "K\x01", "K\x06", "LongStorage")), HasSubstr("48 bytes"));
  EXPECT_THAT(attack(tensor(zero(), "K\x06", "K\x01", "K\x07")), HasSubstr("28 bytes, of which the file has 24"));
  EXPECT_THAT(attack(tensor(zero(), "K\x06", "K\x01", "K\x06", "FloatStorage", "1")), HasSubstr("the file lacks"));
}

TEST_F(PickleAttack, NoNumberWraps) {
  for (const uint64_t value : testing::attack_values()) {
    const auto n = number(value);
    EXPECT_NE(attack(tensor(n, "K\x02", "K\x01")), "") << value;
    EXPECT_NE(attack(tensor(zero(), n, "K\x01")), "") << value;
    EXPECT_NE(attack(tensor(zero(), str(n, n), "K\x01K\x01")), "") << value;
    EXPECT_NE(attack(tensor(zero(), "K\x02", n)), "") << value;
    EXPECT_NE(attack(tensor(zero(), "K\x02K\x02", str(n, n))), "") << value;
    EXPECT_NE(attack(tensor(zero(), "K\x02", "K\x01", n)), "") << value;
    attack(tensor(zero(), str(zero(), n, n), str("K\x01K\x01K\x01")));  // empty, so some are honest
  }
}

TEST_F(PickleAttack, AStrideOfZeroMakesNoMemory) {
  EXPECT_THAT(attack(tensor(zero(), number(uint64_t{1} << 30), zero())), HasSubstr("repeats its bytes"));
  EXPECT_EQ(attack(tensor(zero(), "K\x09", zero())), "");
}

TEST_F(PickleAttack, WhatIsNoTensorIsRefused) {
  EXPECT_NE(attack(tensor(zero(), "K\x06", "K\x01K\x01")), "");  // ranks differ
  EXPECT_NE(attack(tensor(text("0"), "K\x06", "K\x01")), "");
  EXPECT_NE(attack(tensor(zero(), text("6"), "K\x01")), "");
  EXPECT_NE(attack(tensor(zero(), "K\x06", "K\x01", text("6"))), "");
  EXPECT_NE(attack("ctorch._utils\n_rebuild_tensor_v2\n)R"), "");
  EXPECT_NE(attack("ctorch._utils\n_rebuild_parameter\n)R"), "");
  EXPECT_NE(attack(str("}", text("w"), "ctorch._utils\n_rebuild_tensor_v2\n(NNNNtRs")), "");
  EXPECT_NE(attack(str("}", text("w"), "(", text("storage"), "NNNNtQs")), "a storage in a dict is no tensor");
  EXPECT_NE(attack("(NNNNNtQ"), "");
  const auto twice = tensor(zero(), "K\x06", "K\x01").substr(1);
  EXPECT_THAT(attack(str("}", twice, twice)), HasSubstr("twice"));
}

TEST_F(PickleAttack, NothingButTheAllowListIsNamed) {  // CVE-2025-32434
  for (const char* name :
       {"os\nsystem", "posix\nsystem", "builtins\neval", "__builtin__\nexec", "builtins\ngetattr", "torch\nload",
        "torch._utils\n_rebuild_tensor_v4", "torch.hub\nload", "torch\nFloatstorage", "torch.jit\nload",
        "collections\nOrderedDict.__init__", "numpy.core.multiarray\n_reconstruct", "torch._tensor\n_rebuild_from_type",
        "\n", "collections\n", "torch\nq4_0"})
    EXPECT_THAT(attack(str("c", name, "\n")), HasSubstr("code and not weights")) << name;
  EXPECT_THAT(attack(str("\x8c\x02os\x8c\x06system\x93")), HasSubstr("'os.system'"));
  EXPECT_THAT(attack(str("(ios\nsystem\n")), HasSubstr("'os.system'"));
}

TEST_F(PickleAttack, NoObjectIsMade) {
  EXPECT_THAT(attack("ctorch\nTensor\n)R"), HasSubstr("makes an object of 'Tensor'"));
  EXPECT_THAT(attack("ctorch\nTensor\n)\x81"), HasSubstr("makes an object"));
  EXPECT_THAT(attack("(ctorch\nTensor\no"), HasSubstr("makes an object"));
  EXPECT_THAT(attack("N)R"), HasSubstr("calls what is no function"));
  EXPECT_THAT(attack("\x82\x01"), HasSubstr("extension"));
  EXPECT_THAT(attack(str("ctorch\ndevice\n)R}b")), HasSubstr("sets the state"));
  EXPECT_NE(attack("ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._tensor\n_rebuild_from_type_v2\nN)tR"), "");
}

TEST_F(PickleAttack, EveryOpcodeSurvivesAnEmptyStackAndACutFile) {
  for (int code = 0; code < 256; ++code) {
    const std::string op(1, static_cast<char>(code));
    for (const std::string after : {"", "\xff", "\xff\xff\xff\xff", "\xff\xff\xff\xff\xff\xff\xff\xff", "."}) {
      open_all(archive(str("\x80\x02", op, after)));
      open_all(archive(str("\x80\x02(", op, after)));
      open_all(archive(str("\x80\x02NNN(NN", op, after)));
      open_all(archive(str("\x80\x02}]", op, after)));
    }
  }
}

TEST_F(PickleAttack, NothingGrowsBeyondTheFile) {
  constexpr size_t kMany = 20000;
  std::string out;
  const auto repeated = [&](std::string_view unit, std::string_view end = "") {
    out.clear();
    for (size_t i = 0; i < kMany; ++i) out += unit;
    return out += end;
  };
  for (const char* unit : {"(", "]", "}", ")", "N", "\x85", "K\x01\x85", "]Na", "}NNs", "N\x94", "(lN", "(tN"})
    open_all(archive(str("\x80\x02N", repeated(unit), ".")));
  EXPECT_NE(attack(str("]q\x01", repeated("h\x01\x61"))), "");     // holds itself
  EXPECT_NE(attack(str("Nr", little_endian(0x7fffffff, 4))), "");  // a number far beyond the opcodes
  EXPECT_NE(attack(str("]q\x01(", repeated("NN\x86"), "e0",        // one list, many dicts of it
                       repeated(str("ccollections\nOrderedDict\nh\x01\x85R0")))),
            "");
  EXPECT_NE(attack(str("}", text(repeated("k")), "q\x01N", repeated("h\x01N", "u"))), "");  // one name, many times
  std::string deep = repeated("(");
  EXPECT_NE(attack(str(deep, repeated("t"))), "");
}

TEST_F(PickleAttack, EveryCutOfAFileIsRefused) {  // S08: truncated files are OSErrors
  for (const char* name : {"zip.bin", "plain.bin", "trainer.ckpt"}) {
    const auto whole = read_text(testing::data_file(str("pickle/", name)));
    for (size_t size = 1; size < whole.size(); size += name[0] == 't' ? 1 : 37)
      EXPECT_NE(open_all(folder_.write("cut.bin", whole.substr(0, size))), "") << name << " " << size;
  }
}

TEST_F(PickleAttack, NoNumberOfTheArchiveIsBelieved) {
  const auto whole = read_text(testing::data_file("pickle/trainer.ckpt"));
  const auto central = whole.find("PK\x01\x02"), end64 = whole.find("PK\x06\x06"), end = whole.find("PK\x05\x06");
  ASSERT_NE(end64, whole.npos);
  struct Field {
    size_t at, width;
  };
  const Field fields[] = {{central + 20, 4}, {central + 24, 4}, {central + 28, 2}, {central + 30, 2}, {central + 32, 2},
                          {central + 42, 4}, {26, 2},           {28, 2},           {end64 + 32, 8},   {end64 + 40, 8},
                          {end64 + 48, 8},   {end - 12, 8},     {end + 16, 4},     {end + 12, 4},     {end + 10, 2}};
  for (const auto& [at, width] : fields)
    for (const uint64_t value : testing::attack_values())
      for (const uint64_t low : {value, value >> 16, value >> 32, value + 1})
        open_all(folder_.write("patched.bin", testing::patched(whole, at, width, low)));
}

TEST_F(PickleAttack, ArchivesThatAreNoneAreNamed) {
  EXPECT_THAT(open_all(folder_.write("a.bin", "PK\x03\x04 and more")), HasSubstr("no directory"));
  EXPECT_THAT(open_all(folder_.write("b.bin", "something")), HasSubstr("no PyTorch checkpoint"));
  EXPECT_THAT(open_all(folder_.write("c.bin", "\x80\x02}.")), HasSubstr("magic number"));
  const std::pair<std::string_view, std::string_view> document[] = {{"word/document.xml", "<xml>"}};
  EXPECT_THAT(open_all(folder_.write("d.bin", zip_of(document))), HasSubstr("without data.pkl"));
}

TEST_F(PickleAttack, CompressedEntriesAreNamed) {
  auto whole = read_text(archive(str("\x80\x02", tensor(zero(), "K\x06", "K\x01"), ".")));
  const auto central = whole.find("PK\x01\x02");
  whole[central + 10] = 8;
  EXPECT_THAT(open_all(folder_.write("e.bin", whole)), HasSubstr("compressed"));
}

}  // namespace
}  // namespace transformers
