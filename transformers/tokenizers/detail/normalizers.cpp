#include "transformers/tokenizers/detail/normalizers.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/tokenizers/detail/pattern.h"
#include "transformers/tokenizers/detail/registry.h"
#include "transformers/tokenizers/detail/unicode.h"
#include "transformers/tokenizers/detail/unicode_forms.h"

namespace transformers::detail {
namespace {

template <class Keep>
bool keeps_all(std::string_view text, const Keep& keep) {
  for (size_t at = 0; at < text.size();) {
    const auto [c, size] = decode_at(text, at);
    if (!keep(c)) return false;
    at += size;
  }
  return true;
}

// Keeps the characters that satisfy the predicate. A removed run counts to the character before it, as in the
// reference.
template <class Keep>
NormalizedText filter(const NormalizedText& source, Arena& arena, const Keep& keep) {
  size_t at = 0, leading = 0;
  while (at < source.text.size()) {
    const auto [c, size] = decode_at(source.text, at);
    if (keep(c)) break;
    ++leading;
    at += size;
  }
  if (leading == 0 && keeps_all(source.text, keep)) return source;
  Rewriter out(source, arena, source.text.size(), leading);
  while (at < source.text.size()) {
    const auto [c, size] = decode_at(source.text, at);
    int64_t change = 0;
    for (at += size; at < source.text.size(); --change) {
      const auto [next, next_size] = decode_at(source.text, at);
      if (keep(next)) break;
      at += next_size;
    }
    out.emit(c, change);
  }
  return out.finish();
}

template <class Image>
NormalizedText map(const NormalizedText& source, Arena& arena, const Image& image) {
  Rewriter out(source, arena, source.text.size() + 4);
  for (size_t at = 0; at < source.text.size();) {
    const auto [c, size] = decode_at(source.text, at);
    at += size;
    out.emit(image(c), 0);
  }
  return out.finish();
}

NormalizedText lowercase(const NormalizedText& source, Arena& arena) {
  if (is_ascii(source.text)) {  // nothing moves: the alignment stays
    char* const text = arena.text(source.text.size());
    std::transform(source.text.begin(), source.text.end(), text,
                   [](char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c); });
    NormalizedText out = source;
    out.text = {text, source.text.size()};
    return out;
  }
  Rewriter out(source, arena, source.text.size() + 8);
  for (size_t at = 0; at < source.text.size();) {
    const auto [c, size] = decode_at(source.text, at);
    at += size;
    const auto lower = lower_case(c);
    for (uint32_t i = 0; i < lower.size; ++i) out.emit(lower.c[i], i > 0 ? 1 : 0);
  }
  return out.finish();
}

template <bool kCompatible, bool kCompose>
class UnicodeForm final : public Normalizer {
 public:
  NormalizedText apply(const NormalizedText& text, Arena& arena) const override {
    return to_unicode_form(text, arena, {.compatible = kCompatible, .compose = kCompose});
  }
};

class Lowercase final : public Normalizer {
 public:
  NormalizedText apply(const NormalizedText& text, Arena& arena) const override { return lowercase(text, arena); }
};

class StripAccents final : public Normalizer {
 public:
  NormalizedText apply(const NormalizedText& text, Arena& arena) const override {
    return filter(text, arena, [](char32_t c) { return !is(c, CodePointClass::CombiningMark); });
  }
};

class Strip final : public Normalizer {
 public:
  explicit Strip(const Fields& fields) : left_(fields.flag("strip_left")), right_(fields.flag("strip_right")) {}

  NormalizedText apply(const NormalizedText& text, Arena& arena) const override {
    size_t begin = 0, end = text.text.size(), leading = 0;
    while (left_ && begin < end) {
      const auto [c, size] = decode_at(text.text, begin);
      if (!is_space(c)) break;
      begin += size;
      ++leading;
    }
    while (right_ && end > 0) {
      size_t last = end - 1;
      while (last > 0 && is_continuation(text.text[last])) --last;
      if (!is_space(decode_at(text.text, last).c)) break;
      end = last;
    }
    if (begin == 0 && end == text.text.size()) return text;
    Rewriter out(text, arena, text.text.size(), leading);
    while (begin < end) {
      const auto [c, size] = decode_at(text.text, begin);
      out.emit(c, 0);
      begin += size;
    }
    return out.finish();
  }

 private:
  bool left_, right_;
};

class Replace final : public Normalizer {
 public:
  explicit Replace(const Fields& fields)
      : pattern_(Pattern::from_json(fields, "pattern")), content_(fields.text("content")) {}

  NormalizedText apply(const NormalizedText& text, Arena& arena) const override {
    std::vector<Match> matches;
    pattern_.find(text.text, matches);
    if (std::none_of(matches.begin(), matches.end(), [](const Match& m) { return m.is_match; })) return text;
    return replace_matches(text, matches, content_, arena);
  }

 private:
  Pattern pattern_;
  std::string content_;
};

class Prepend final : public Normalizer {
 public:
  explicit Prepend(const Fields& fields) : prefix_(fields.text("prepend")) {}
  NormalizedText apply(const NormalizedText& text, Arena& arena) const override {
    return prepend(text, prefix_, arena);
  }

 private:
  std::string prefix_;
};

class ByteLevel final : public Normalizer {
 public:
  NormalizedText apply(const NormalizedText& text, Arena& arena) const override { return spell_bytes(text, arena); }
};

bool is_removed_by_nmt(char32_t c) {
  return (c >= 1 && c <= 8) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F;
}

bool is_space_to_nmt(char32_t c) {
  constexpr char32_t kSpaces[] = {0x09, 0x0A, 0x0C, 0x0D, 0x1680, 0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD};
  return (c >= 0x200B && c <= 0x200F) || std::find(std::begin(kSpaces), std::end(kSpaces), c) != std::end(kSpaces);
}

class Nmt final : public Normalizer {
 public:
  NormalizedText apply(const NormalizedText& text, Arena& arena) const override {
    const auto kept = filter(text, arena, [](char32_t c) { return !is_removed_by_nmt(c); });
    return map(kept, arena, [](char32_t c) { return is_space_to_nmt(c) ? U' ' : c; });
  }
};

bool is_cjk(char32_t c) {
  constexpr CodePointRange kBlocks[] = {{0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xF900, 0xFAFF},   {0x20000, 0x2A6DF},
                                        {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F}, {0x2B920, 0x2CEAF}, {0x2F800, 0x2FA1F}};
  return c >= 0x3400 && std::any_of(std::begin(kBlocks), std::end(kBlocks),
                                    [&](const auto& block) { return c >= block.first && c <= block.last; });
}

class BertNormalizer final : public Normalizer {
 public:
  explicit BertNormalizer(const Fields& fields)
      : cleans_(fields.flag("clean_text")),
        spaces_cjk_(fields.flag("handle_chinese_chars")),
        lowers_(fields.flag("lowercase")),
        strips_(fields.flag("strip_accents", lowers_)) {}

  NormalizedText apply(const NormalizedText& source, Arena& arena) const override {
    if (is_plain(source.text)) return normalize_plain(source, arena);
    const size_t mark = arena.mark();
    NormalizedText text = source;
    const auto step = [&](const NormalizedText& next) {
      text = next;
      arena.drop_since(mark, text);
    };
    if (cleans_) step(keep_clean(text, arena));
    if (cleans_) step(map(text, arena, [](char32_t c) { return is_space(c) ? U' ' : c; }));
    if (spaces_cjk_) step(space_cjk(text, arena));
    if (strips_) {
      step(to_unicode_form(text, arena, {.compatible = false, .compose = false}));
      step(filter(text, arena, [](char32_t c) { return !is(c, CodePointClass::AccentMark); }));
    }
    return lowers_ ? lowercase(text, arena) : text;
  }

 private:
  // ASCII without controls: every step maps byte to byte.
  static bool is_plain(std::string_view text) {
    bool plain = true;
    for (const char c : text) plain &= (c >= 0x20 && c < 0x7F) || c == '\t' || c == '\n' || c == '\r';
    return plain;
  }
  NormalizedText normalize_plain(const NormalizedText& source, Arena& arena) const {
    char* const text = arena.text(source.text.size());
    const char shift = lowers_ ? 32 : 0;
    std::transform(source.text.begin(), source.text.end(), text, [&](char c) {
      if (c >= 'A' && c <= 'Z') return static_cast<char>(c + shift);
      return cleans_ && c < 0x20 ? ' ' : c;
    });
    NormalizedText out = source;
    out.text = {text, source.text.size()};
    return out;
  }
  static NormalizedText keep_clean(const NormalizedText& text, Arena& arena) {
    return filter(text, arena, [](char32_t c) { return !is(c, CodePointClass::Removed); });
  }
  static NormalizedText space_cjk(const NormalizedText& text, Arena& arena) {
    Rewriter out(text, arena, text.text.size() * 2 + 8);
    for (size_t at = 0; at < text.text.size();) {
      const auto [c, size] = decode_at(text.text, at);
      at += size;
      if (!is_cjk(c)) {
        out.emit(c, 0);
        continue;
      }
      out.emit(U' ', 0);
      out.emit(c, 1);
      out.emit(U' ', 1);
    }
    return out.finish();
  }

  bool cleans_, spaces_cjk_, lowers_, strips_;
};

class Sequence final : public Normalizer {
 public:
  explicit Sequence(const Fields& fields) {
    for (const auto& child : fields.children("normalizers")) steps_.push_back(make_normalizer(child));
  }
  NormalizedText apply(const NormalizedText& source, Arena& arena) const override {
    NormalizedText text = source;
    const size_t mark = arena.mark();
    for (const auto& step : steps_) {
      text = step->normalize(text, arena);
      arena.drop_since(mark, text);  // what the steps before left behind
    }
    return text;
  }

 private:
  std::vector<std::unique_ptr<Normalizer>> steps_;
};

using Made = std::unique_ptr<Normalizer>;
template <class T>
constexpr auto make = make_from_fields<Made, T>;

constexpr Component<Made> kNormalizers[] = {
    {"BertNormalizer", make<BertNormalizer>},
    {"ByteLevel", make<ByteLevel>},
    {"Lowercase", make<Lowercase>},
    {"NFC", make<UnicodeForm<false, true>>},
    {"NFD", make<UnicodeForm<false, false>>},
    {"NFKC", make<UnicodeForm<true, true>>},
    {"NFKD", make<UnicodeForm<true, false>>},
    {"Nmt", make<Nmt>},
    {"Prepend", make<Prepend>},
    {"Replace", make<Replace>},
    {"Sequence", make<Sequence>},
    {"Strip", make<Strip>},
    {"StripAccents", make<StripAccents>},
};

}  // namespace

NormalizedText Normalizer::normalize(const NormalizedText& text, Arena& arena) const {
  const size_t mark = arena.mark();
  try {
    const NormalizedText result = apply(text, arena);
    arena.drop_since(mark, result);
    return result;
  } catch (const ArenaFull& full) {
    throw ValueError(str(where_, " ", full.message()));
  }
}

std::unique_ptr<Normalizer> make_normalizer(const Fields& fields) {
  auto made = make_component(kNormalizers, fields);
  made->where_ = fields.where();
  return made;
}

}  // namespace transformers::detail
