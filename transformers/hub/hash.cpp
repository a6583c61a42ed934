#include "transformers/hub/hash.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "transformers/base/files.h"
#include "transformers/base/strings.h"
#include "transformers/hub/detail/sha256.h"

namespace transformers::hub {

namespace {

uint32_t big_endian(const std::byte* bytes) {
  uint32_t word = 0;
  std::memcpy(&word, bytes, 4);
  return std::endian::native == std::endian::little ? __builtin_bswap32(word) : word;
}

void compress_sha1(uint32_t* state, const std::byte* blocks, size_t count) {
  for (; count > 0; --count, blocks += 64) {
    uint32_t w[80];
    for (size_t i = 0; i < 16; ++i) w[i] = big_endian(blocks + 4 * i);
    for (size_t i = 16; i < 80; ++i) w[i] = std::rotl(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    auto [a, b, c, d, e] = std::array{state[0], state[1], state[2], state[3], state[4]};
    for (size_t i = 0; i < 80; ++i) {
      const uint32_t f = i < 20 ? (b & c) | (~b & d) : (i < 40 || i >= 60) ? b ^ c ^ d : (b & c) | (b & d) | (c & d);
      constexpr uint32_t k[] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
      const uint32_t next = std::rotl(a, 5) + f + e + k[i / 20] + w[i];
      e = d, d = c, c = std::rotl(b, 30), b = a, a = next;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d, state[4] += e;
  }
}

}  // namespace

template <size_t kWords>
void BlockHash<kWords>::update(std::span<const std::byte> bytes) {
  const size_t used = size_bytes_ % 64;
  size_bytes_ += bytes.size();
  if (used > 0) {
    const auto taken = std::min(64 - used, bytes.size());
    std::memcpy(pending_.data() + used, bytes.data(), taken);
    bytes = bytes.subspan(taken);
    if (used + taken < 64) return;
    compress_(state_.data(), pending_.data(), 1);
  }
  compress_(state_.data(), bytes.data(), bytes.size() / 64);
  const auto rest = bytes.subspan(bytes.size() / 64 * 64);
  if (!rest.empty()) std::memcpy(pending_.data(), rest.data(), rest.size());
}

template <size_t kWords>
std::string BlockHash<kWords>::hex() {
  const uint64_t bits = size_bytes_ * 8;
  std::array<std::byte, 72> tail = {std::byte{0x80}};
  const size_t used = size_bytes_ % 64;
  const size_t padding = (used < 56 ? 56 : 120) - used;
  for (size_t i = 0; i < 8; ++i) tail[padding + i] = static_cast<std::byte>(bits >> (56 - 8 * i));
  update(std::span(tail).first(padding + 8));
  std::string text;
  for (const uint32_t word : state_)
    for (int shift = 28; shift >= 0; shift -= 4) text += "0123456789abcdef"[(word >> shift) & 15];
  return text;
}

template class BlockHash<5>;
template class BlockHash<8>;

Sha256::Sha256()
    : BlockHash({0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19},
                detail::fastest_sha256()) {}

Sha1::Sha1() : BlockHash({0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0}, compress_sha1) {}

std::string git_blob_header(int64_t size_bytes) { return str("blob ", size_bytes) + '\0'; }

std::string file_sha256(const std::filesystem::path& file) {
  Sha256 hash;
  hash.update(MappedFile::open(file)->bytes());
  return hash.hex();
}

std::string file_git_hash(const std::filesystem::path& file) {
  const auto mapped = MappedFile::open(file);
  Sha1 hash;
  hash.update(git_blob_header(static_cast<int64_t>(mapped->bytes().size())));
  hash.update(mapped->bytes());
  return hash.hex();
}

}  // namespace transformers::hub
