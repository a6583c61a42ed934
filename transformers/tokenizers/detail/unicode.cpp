#include "transformers/tokenizers/detail/unicode.h"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>

#include <algorithm>
#include <array>
#include <memory>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"

namespace transformers::detail {
namespace {

constexpr char32_t kCodePoints = 0x110000;

// Flat table of 4 bytes a code point; only the pages that hold a class are ever touched.
const uint32_t* make_class_table() {
  static std::unique_ptr<uint32_t[]> table(static_cast<uint32_t*>(nullptr));
  table = std::make_unique<uint32_t[]>(kCodePoints);
  for (unsigned which = 0; which < static_cast<unsigned>(CodePointClass::Count); ++which)
    for (const auto& [first, last] : code_points_of(static_cast<CodePointClass>(which)))
      for (uint32_t c = first; c <= last; ++c) table[c] |= 1U << which;
  return table.get();
}

struct ByteAlphabet {
  std::array<char32_t, 256> chars = {};
  std::array<int16_t, 512> bytes = {};
  ByteAlphabet() {
    bytes.fill(-1);
    char32_t next = 256;
    for (unsigned b = 0; b < 256; ++b) {
      const bool printable = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
      chars[b] = printable ? b : next++;
      bytes[chars[b]] = static_cast<int16_t>(b);
    }
  }
};

const ByteAlphabet& alphabet() {
  static const ByteAlphabet instance;
  return instance;
}

struct Forms {
  const UNormalizer2* nfc = nullptr;
  const UNormalizer2* nfkc = nullptr;
};

const Forms& forms() {
  static const Forms instance = [] {
    UErrorCode status = U_ZERO_ERROR;
    Forms f{unorm2_getNFCInstance(&status), unorm2_getNFKCInstance(&status)};
    if (U_FAILURE(status) != 0)
      throw RuntimeError(str("ICU cannot load its normalisation data: ", u_errorName(status)));
    return f;
  }();
  return instance;
}

// The reference's normalisation tables know Unicode 12.0.
bool is_newer_than_forms(char32_t c) {
  UVersionInfo age;
  u_charAge(static_cast<UChar32>(c), age);
  return age[0] > 12 || (age[0] == 12 && age[1] > 0);
}

}  // namespace

uint32_t classes_of(char32_t c) {
  static const uint32_t* const table = make_class_table();
  return c < kCodePoints ? table[c] : 0;
}

uint32_t encode_utf8(char32_t c, char* out) {
  if (c < 0x80) {
    out[0] = static_cast<char>(c);
    return 1;
  }
  if (c < 0x800) {
    out[0] = static_cast<char>(0xC0 | c >> 6);
    out[1] = static_cast<char>(0x80 | (c & 0x3F));
    return 2;
  }
  if (c < 0x10000) {
    out[0] = static_cast<char>(0xE0 | c >> 12);
    out[1] = static_cast<char>(0x80 | (c >> 6 & 0x3F));
    out[2] = static_cast<char>(0x80 | (c & 0x3F));
    return 3;
  }
  out[0] = static_cast<char>(0xF0 | c >> 18);
  out[1] = static_cast<char>(0x80 | (c >> 12 & 0x3F));
  out[2] = static_cast<char>(0x80 | (c >> 6 & 0x3F));
  out[3] = static_cast<char>(0x80 | (c & 0x3F));
  return 4;
}

void append_utf8(std::string& out, char32_t c) {
  char bytes[4];
  out.append(bytes, encode_utf8(c, bytes));
}

bool is_ascii(std::string_view text) {
  uint8_t seen = 0;
  for (const char c : text) seen |= static_cast<uint8_t>(c);
  return seen < 0x80;
}

int64_t count_code_points(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return !is_continuation(c); });
}

namespace {

// Bytes of the longest well-formed or maximal ill-formed sequence at `at`; `valid` says which.
size_t sequence_size(std::string_view bytes, size_t at, bool& valid) {
  const auto byte = [&](size_t i) -> unsigned {
    return at + i < bytes.size() ? static_cast<uint8_t>(bytes[at + i]) : 0;
  };
  const unsigned lead = byte(0);
  valid = true;
  if (lead < 0x80) return 1;
  valid = false;
  unsigned low = 0x80, high = 0xBF, rest = 0;
  if (lead >= 0xC2 && lead <= 0xDF) {
    rest = 1;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    rest = 2;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    rest = 3;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  } else {
    return 1;
  }
  for (unsigned i = 1; i <= rest; ++i) {
    if (byte(i) < low || byte(i) > high) return i;
    low = 0x80, high = 0xBF;
  }
  valid = true;
  return rest + 1;
}

}  // namespace

std::string utf8_lossy(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (size_t at = 0; at < bytes.size();) {
    bool valid = true;
    const size_t size = sequence_size(bytes, at, valid);
    out += valid ? bytes.substr(at, size) : std::string_view("\xEF\xBF\xBD");
    at += size;
  }
  return out;
}

CaseImage lower_case(char32_t c) {
  if (c < 0x80) return {{c >= 'A' && c <= 'Z' ? c + 32 : c}, 1};
  if (c == 0x130) return {{0x69, 0x307}, 2};
  const auto lower = static_cast<char32_t>(u_tolower(static_cast<UChar32>(c)));
  if (lower != c) return {{lower}, 1};
  const auto newer = newer_lower_case();
  const auto it =
      std::lower_bound(newer.begin(), newer.end(), c, [](const auto& pair, char32_t v) { return pair.first < v; });
  return {{it != newer.end() && it->first == c ? it->last : c}, 1};
}

std::u32string decompose(char32_t c, bool compatible) {
  if (c < 0x80 || is_newer_than_forms(c)) return {c};
  UChar units[64];
  UErrorCode status = U_ZERO_ERROR;
  const int32_t size =
      unorm2_getDecomposition(compatible ? forms().nfkc : forms().nfc, static_cast<UChar32>(c), units, 64, &status);
  if (size < 0 || U_FAILURE(status) != 0) return {c};
  std::u32string out;
  for (int32_t i = 0; i < size;) {
    UChar32 d = 0;
    U16_NEXT(units, i, size, d);
    out += static_cast<char32_t>(d);
  }
  return out;
}

uint8_t combining_class(char32_t c) {
  return c < 0x300 || is_newer_than_forms(c) ? 0 : u_getCombiningClass(static_cast<UChar32>(c));
}

char32_t compose(char32_t a, char32_t b) {
  const UChar32 composed = unorm2_composePair(forms().nfc, static_cast<UChar32>(a), static_cast<UChar32>(b));
  return composed < 0 || is_newer_than_forms(static_cast<char32_t>(composed)) ? 0 : static_cast<char32_t>(composed);
}

char32_t byte_to_char(uint8_t byte) { return alphabet().chars[byte]; }

int char_to_byte(char32_t c) { return c < 512 ? alphabet().bytes[c] : -1; }

bool byte_alphabet_to_bytes(std::string_view text, std::string& out) {
  out.clear();
  for (size_t at = 0; at < text.size();) {
    const auto [c, size] = decode_at(text, at);
    const int byte = char_to_byte(c);
    if (byte < 0) return false;
    out += static_cast<char>(byte);
    at += size;
  }
  return true;
}

}  // namespace transformers::detail
