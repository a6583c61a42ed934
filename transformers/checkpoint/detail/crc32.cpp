#include "transformers/checkpoint/detail/crc32.h"

#include <array>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace transformers::detail {
namespace {

using Tables = std::array<std::array<uint32_t, 256>, 8>;

// Table k holds the remainders of a byte that k zero bytes follow, so that eight bytes take eight independent lookups.
constexpr Tables make_tables() {
  Tables tables{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? 0xedb88320u : 0u);
    tables[0][i] = value;
  }
  for (size_t k = 1; k < 8; ++k)
    for (size_t i = 0; i < 256; ++i) tables[k][i] = tables[k - 1][i] >> 8 ^ tables[0][tables[k - 1][i] & 255];
  return tables;
}
constexpr Tables kTables = make_tables();

// Without the inversions at both ends.
uint32_t update(uint32_t crc, const std::byte* at, size_t size) {
  const auto byte = [&](size_t i) { return static_cast<uint32_t>(at[i]); };
  for (; size >= 8; at += 8, size -= 8) {
    const uint32_t low = crc ^ (byte(0) | byte(1) << 8 | byte(2) << 16 | byte(3) << 24);
    crc = kTables[7][low & 255] ^ kTables[6][low >> 8 & 255] ^ kTables[5][low >> 16 & 255] ^ kTables[4][low >> 24] ^
          kTables[3][byte(4)] ^ kTables[2][byte(5)] ^ kTables[1][byte(6)] ^ kTables[0][byte(7)];
  }
  for (size_t i = 0; i < size; ++i) crc = crc >> 8 ^ kTables[0][(crc ^ byte(i)) & 255];
  return crc;
}

#if defined(__x86_64__)

#define FOLD(x, k) _mm_xor_si128(_mm_clmulepi64_si128(x, k, 0x00), _mm_clmulepi64_si128(x, k, 0x11))

// Gopal et al., Fast CRC Computation for Generic Polynomials Using PCLMULQDQ (Intel, 2009), bit-reflected. `size` is
// a multiple of 16 and at least 64.
__attribute__((target("pclmul,sse4.1"))) uint32_t update_folding(uint32_t crc, const std::byte* at, size_t size) {
  const auto load = [](const std::byte* from) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)); };
  const __m128i by_512 = _mm_set_epi64x(0x01c6e41596, 0x0154442bd4);
  const __m128i by_128 = _mm_set_epi64x(0x00ccaa009e, 0x01751997d0);
  __m128i x[4];
  for (int i = 0; i < 4; ++i) x[i] = load(at + 16 * i);
  x[0] = _mm_xor_si128(x[0], _mm_cvtsi32_si128(static_cast<int>(crc)));
  for (at += 64, size -= 64; size >= 64; at += 64, size -= 64)
    for (int i = 0; i < 4; ++i) x[i] = _mm_xor_si128(FOLD(x[i], by_512), load(at + 16 * i));
  for (int i = 1; i < 4; ++i) x[0] = _mm_xor_si128(FOLD(x[0], by_128), x[i]);
  for (; size >= 16; at += 16, size -= 16) x[0] = _mm_xor_si128(FOLD(x[0], by_128), load(at));
  const __m128i low_half = _mm_setr_epi32(-1, 0, -1, 0);
  __m128i y = _mm_xor_si128(_mm_srli_si128(x[0], 8), _mm_clmulepi64_si128(x[0], by_128, 0x10));
  const __m128i by_64 = _mm_set_epi64x(0, 0x0163cd6124);
  y = _mm_xor_si128(_mm_clmulepi64_si128(_mm_and_si128(y, low_half), by_64, 0x00), _mm_srli_si128(y, 4));
  const __m128i polynomial = _mm_set_epi64x(0x01f7011641, 0x01db710641);  // and its inverse: Barrett's reduction
  __m128i z = _mm_clmulepi64_si128(_mm_and_si128(y, low_half), polynomial, 0x10);
  z = _mm_clmulepi64_si128(_mm_and_si128(z, low_half), polynomial, 0x00);
  return static_cast<uint32_t>(_mm_extract_epi32(_mm_xor_si128(y, z), 1));
}

#undef FOLD

bool can_fold() {
  static const bool can = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
  return can;
}

#endif

}  // namespace

uint32_t crc32_portable(std::span<const std::byte> bytes, uint32_t crc) {
  return ~update(~crc, bytes.data(), bytes.size());
}

uint32_t crc32(std::span<const std::byte> bytes, uint32_t crc) {
#if defined(__x86_64__)
  if (bytes.size() >= 64 && can_fold()) {
    const size_t whole = bytes.size() / 16 * 16;
    return ~update(update_folding(~crc, bytes.data(), whole), bytes.data() + whole, bytes.size() - whole);
  }
#endif
  return crc32_portable(bytes, crc);
}

}  // namespace transformers::detail
