#include "transformers/tokenizers/detail/pre_tokenizers.h"

#include <algorithm>
#include <string>

#include "transformers/tokenizers/detail/metaspace.h"
#include "transformers/tokenizers/detail/pattern.h"
#include "transformers/tokenizers/detail/registry.h"
#include "transformers/tokenizers/detail/unicode.h"

namespace transformers::detail {
namespace {

enum class Behavior : uint8_t { Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous };

struct BehaviorName {
  std::string_view name = {};
  Behavior value = {};
};
constexpr BehaviorName kBehaviors[] = {{"Contiguous", Behavior::Contiguous},
                                       {"Isolated", Behavior::Isolated},
                                       {"MergedWithNext", Behavior::MergedWithNext},
                                       {"MergedWithPrevious", Behavior::MergedWithPrevious},
                                       {"Removed", Behavior::Removed}};

Behavior parse_behavior(const Fields& fields) {
  const std::string name = fields.text("behavior");
  for (const auto& row : kBehaviors)
    if (row.name == name) return row.value;
  fields.fail("behavior",
              str("must be Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous, found ", quote(name)));
}

// Joins neighbouring matches and gaps; `is_match` means afterwards: leave this out.
void apply_behavior(Behavior behavior, std::vector<Match>& matches) {
  if (behavior == Behavior::Removed) return;
  if (behavior == Behavior::Isolated) {
    for (auto& match : matches) match.is_match = false;
    return;
  }
  const bool backwards = behavior == Behavior::MergedWithNext;
  if (backwards) std::reverse(matches.begin(), matches.end());
  bool previous = false;
  size_t size = 0;
  for (size_t i = 0; i < matches.size(); ++i) {
    const Match match = matches[i];
    const bool joins = behavior == Behavior::Contiguous ? match.is_match == previous : match.is_match && !previous;
    previous = match.is_match;
    if (!joins || size == 0) {
      matches[size++] = {match.begin, match.end, false};
    } else if (backwards) {
      matches[size - 1].begin = match.begin;
    } else {
      matches[size - 1].end = match.end;
    }
  }
  matches.resize(size);
  if (backwards) std::reverse(matches.begin(), matches.end());
}

// Calls `split` on each piece that is no token yet; it appends what the piece becomes to `work.next`.
template <class Split>
void for_each_piece(Workspace& work, const Split& split) {
  work.next.clear();
  for (const auto& piece : work.pieces) {
    if (piece.added_id >= 0)
      work.next.push_back(piece);
    else
      split(piece.text);
  }
  std::swap(work.pieces, work.next);
}

void keep(Workspace& work, const NormalizedText& text) {
  if (!text.text.empty()) work.next.push_back({.text = text});
}

// `find` appends the matches of a text.
template <class Find>
void split_text(Workspace& work, const NormalizedText& text, Behavior behavior, const Find& find) {
  work.matches.clear();
  find(text.text, work.matches);
  apply_behavior(behavior, work.matches);
  for (const auto& [begin, end, is_left_out] : work.matches)
    if (!is_left_out && begin != end) work.next.push_back({.text = text.slice(begin, end)});
}

// Byte-level pieces hold plain bytes; whoever looks at their characters needs them spelt out first.
NormalizedText spelt(const NormalizedText& text, Arena& arena) {
  return text.is_bytes ? spell_bytes(text, arena) : text;
}

template <class Find>
void split_pieces(Workspace& work, Behavior behavior, const Find& find) {
  for_each_piece(work, [&](const NormalizedText& text) { split_text(work, spelt(text, work.arena), behavior, find); });
}

template <class Predicate>
void split_characters(Workspace& work, Behavior behavior, const Predicate& holds) {
  split_pieces(work, behavior,
               [&](std::string_view text, std::vector<Match>& out) { find_characters(text, out, holds); });
}

class BertPreTokenizer final : public PreTokenizer {
 public:
  void pre_tokenize(Workspace& work) const override {
    for_each_piece(work, [&](const NormalizedText& text) { split_words(work, spelt(text, work.arena)); });
  }

 private:
  // White space separates, each punctuation character stands alone: both rounds of the reference in one.
  static void split_words(Workspace& work, const NormalizedText& text) {
    constexpr uint32_t kEnds = bit(CodePointClass::Space) | bit(CodePointClass::Punctuation);
    size_t begin = 0;
    for (size_t at = 0; at < text.text.size();) {
      const auto [c, size] = decode_at(text.text, at);
      const uint32_t classes = classes_of(c);
      if ((classes & kEnds) != 0) {
        if (begin < at) work.next.push_back({.text = text.slice(begin, at)});
        if ((classes & bit(CodePointClass::Space)) == 0) work.next.push_back({.text = text.slice(at, at + size)});
        begin = at + size;
      }
      at += size;
    }
    if (begin < text.text.size()) work.next.push_back({.text = text.slice(begin, text.text.size())});
  }
};

constexpr std::string_view kByteLevelRegex =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

class ByteLevel final : public PreTokenizer {
 public:
  explicit ByteLevel(const Fields& fields)
      : adds_space_(fields.flag("add_prefix_space")),
        regex_(fields.flag("use_regex", true)
                   ? std::make_unique<Pattern>(Pattern::regex(std::string(kByteLevelRegex), fields.where()))
                   : nullptr) {
    (void)fields.flag("trim_offsets");
  }

  void pre_tokenize(Workspace& work) const override {
    for_each_piece(work, [&](const NormalizedText& source) {
      NormalizedText text = spelt(source, work.arena);
      if (adds_space_ && !text.text.starts_with(' ')) text = prepend(text, " ", work.arena);
      text.is_bytes = true;
      if (regex_ == nullptr) return keep(work, text);
      split_text(work, text, Behavior::Isolated, [&](std::string_view t, auto& out) { regex_->find(t, out); });
    });
  }

 private:
  bool adds_space_;
  std::unique_ptr<Pattern> regex_;
};

class Split final : public PreTokenizer {
 public:
  explicit Split(const Fields& fields)
      : pattern_(Pattern::from_json(fields, "pattern")),
        behavior_(parse_behavior(fields)),
        inverts_(fields.flag("invert")) {}

  void pre_tokenize(Workspace& work) const override {
    split_pieces(work, behavior_, [&](std::string_view text, std::vector<Match>& out) {
      pattern_.find(text, out);
      if (inverts_)
        for (auto& match : out) match.is_match = !match.is_match;
    });
  }

 private:
  Pattern pattern_;
  Behavior behavior_;
  bool inverts_;
};

class Whitespace final : public PreTokenizer {
 public:
  void pre_tokenize(Workspace& work) const override {
    split_pieces(work, Behavior::Removed, [](std::string_view text, std::vector<Match>& out) { find(text, out); });
  }

 private:
  // Runs of word characters and runs of other visible ones, which are kept; what is marked as match is left out.
  static int kind_of(char32_t c) {
    const uint32_t classes = classes_of(c);
    if ((classes & bit(CodePointClass::Word)) != 0) return 1;
    return (classes & bit(CodePointClass::Space)) != 0 ? 0 : 2;
  }
  static void find(std::string_view text, std::vector<Match>& out) {
    for (uint32_t at = 0; at < text.size();) {
      const uint32_t begin = at;
      const int kind = kind_of(decode_at(text, at).c);
      while (at < text.size()) {
        const auto [c, size] = decode_at(text, at);
        if (kind_of(c) != kind) break;
        at += size;
      }
      out.push_back({begin, at, kind == 0});
    }
  }
};

class WhitespaceSplit final : public PreTokenizer {
 public:
  void pre_tokenize(Workspace& work) const override { split_characters(work, Behavior::Removed, is_space); }
};

class Punctuation final : public PreTokenizer {
 public:
  explicit Punctuation(const Fields& fields)
      : behavior_(fields.find("behavior") == nullptr ? Behavior::Isolated : parse_behavior(fields)) {}
  void pre_tokenize(Workspace& work) const override { split_characters(work, behavior_, is_punctuation); }

 private:
  Behavior behavior_;
};

class Digits final : public PreTokenizer {
 public:
  explicit Digits(const Fields& fields)
      : behavior_(fields.flag("individual_digits") ? Behavior::Isolated : Behavior::Contiguous) {}
  void pre_tokenize(Workspace& work) const override {
    split_characters(work, behavior_, [](char32_t c) { return is(c, CodePointClass::Numeric); });
  }

 private:
  Behavior behavior_;
};

class CharDelimiterSplit final : public PreTokenizer {
 public:
  explicit CharDelimiterSplit(const Fields& fields) : delimiter_(fields.character("delimiter")) {}
  void pre_tokenize(Workspace& work) const override {
    split_characters(work, Behavior::Removed, [&](char32_t c) { return c == delimiter_; });
  }

 private:
  char32_t delimiter_;
};

class FixedLength final : public PreTokenizer {
 public:
  explicit FixedLength(const Fields& fields) : length_(fields.number("length", 5)) {
    if (length_ == 0) fields.fail("length", "must be at least 1");
  }
  void pre_tokenize(Workspace& work) const override {
    split_pieces(work, Behavior::Isolated, [&](std::string_view text, std::vector<Match>& out) {
      for (uint32_t at = 0; at < text.size();) {
        const uint32_t begin = at;
        for (int64_t i = 0; i < length_ && at < text.size(); ++i) at += decode_at(text, at).size;
        out.push_back({begin, at, false});
      }
    });
  }

 private:
  int64_t length_;
};

class Metaspace final : public PreTokenizer {
 public:
  explicit Metaspace(const Fields& fields) : options_(parse_metaspace(fields)), space_(Pattern::literal(" ")) {
    append_utf8(text_, options_.replacement);
  }

  void pre_tokenize(Workspace& work) const override {
    for_each_piece(work, [&](const NormalizedText& source) {
      const auto text = mark_spaces(work, spelt(source, work.arena));
      if (!options_.split) return keep(work, text);
      split_text(work, text, Behavior::MergedWithNext, [&](std::string_view t, auto& out) {
        find_characters(t, out, [&](char32_t c) { return c == options_.replacement; });
      });
    });
  }

 private:
  NormalizedText mark_spaces(Workspace& work, const NormalizedText& source) const {
    work.matches.clear();
    space_.find(source.text, work.matches);
    const auto text = replace_matches(source, work.matches, text_, work.arena);
    const bool at_start = options_.prepend == PrependScheme::Always ||
                          (options_.prepend == PrependScheme::First && source.original.begin == 0);
    return at_start && !text.text.starts_with(text_) ? prepend(text, text_, work.arena) : text;
  }

  MetaspaceOptions options_;
  Pattern space_;
  std::string text_;
};

class Sequence final : public PreTokenizer {
 public:
  explicit Sequence(const Fields& fields) {
    for (const auto& child : fields.children("pretokenizers")) steps_.push_back(make_pre_tokenizer(child));
  }
  void pre_tokenize(Workspace& work) const override {
    for (const auto& step : steps_) step->pre_tokenize(work);
  }

 private:
  std::vector<std::unique_ptr<PreTokenizer>> steps_;
};

using Made = std::unique_ptr<PreTokenizer>;
template <class T>
constexpr auto make = make_from_fields<Made, T>;

constexpr Component<Made> kPreTokenizers[] = {
    {"BertPreTokenizer", make<BertPreTokenizer>},
    {"ByteLevel", make<ByteLevel>},
    {"CharDelimiterSplit", make<CharDelimiterSplit>},
    {"Digits", make<Digits>},
    {"FixedLength", make<FixedLength>},
    {"Metaspace", make<Metaspace>},
    {"Punctuation", make<Punctuation>},
    {"Sequence", make<Sequence>},
    {"Split", make<Split>},
    {"Whitespace", make<Whitespace>},
    {"WhitespaceSplit", make<WhitespaceSplit>},
};

}  // namespace

std::unique_ptr<PreTokenizer> make_pre_tokenizer(const Fields& fields) {
  return make_component(kPreTokenizers, fields);
}

}  // namespace transformers::detail
