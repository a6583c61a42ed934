#include "transformers/hub/hash.h"

#include <gtest/gtest.h>

#include <cstring>

#include "transformers/hub/detail/sha256.h"

namespace transformers::hub {
namespace {

template <class Hash>
std::string digest(std::string_view text) {
  Hash hash;
  hash.update(text);
  return hash.hex();
}

// The examples of FIPS 180-4's validation suite.
TEST(Sha256, GivesThePublishedDigests) {
  EXPECT_EQ(digest<Sha256>(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(digest<Sha256>("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(digest<Sha256>("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(digest<Sha256>(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha1, GivesThePublishedDigests) {
  EXPECT_EQ(digest<Sha1>(""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  EXPECT_EQ(digest<Sha1>("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(digest<Sha1>(std::string(1'000'000, 'a')), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
}

TEST(Sha1, NamesAFileAsGitDoes) {
  Sha1 hash;
  hash.update(git_blob_header(12));
  hash.update("hello world\n");
  EXPECT_EQ(hash.hex(), "3b18e512dba79e4c8300dd08aeb37f8e728b8dad") << "git hash-object";
}

TEST(Sha256, DoesNotDependOnHowTheBytesArrive) {
  std::string text;
  for (int i = 0; i < 300; ++i) text += static_cast<char>(i * 7);
  const auto whole = digest<Sha256>(text);
  for (size_t first = 0; first <= text.size(); ++first) {
    Sha256 hash;
    hash.update(std::string_view(text).substr(0, first));
    hash.update(std::string_view(text).substr(first));
    ASSERT_EQ(hash.hex(), whole) << first;
  }
}

TEST(Sha256, IsTheSameWithTheProcessorsInstructions) {
  std::string blocks;
  for (int i = 0; i < 64 * 9; ++i) blocks += static_cast<char>(i * 31 + i / 7);
  uint32_t plain[8] = {1, 2, 3, 4, 5, 6, 7, 8}, fast[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  const auto* bytes = reinterpret_cast<const std::byte*>(blocks.data());
  detail::compress_sha256(plain, bytes, 9);
  detail::fastest_sha256()(fast, bytes, 9);
  EXPECT_EQ(std::memcmp(plain, fast, sizeof(plain)), 0);
}

}  // namespace
}  // namespace transformers::hub
