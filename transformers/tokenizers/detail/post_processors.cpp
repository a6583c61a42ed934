#include "transformers/tokenizers/detail/post_processors.h"

#include <algorithm>
#include <string>
#include <unordered_map>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/tokenizers/detail/registry.h"
#include "transformers/tokenizers/detail/unicode.h"

namespace transformers::detail {
namespace {

struct SpecialToken {
  std::string text = {};
  int64_t id = 0;
};

// Special tokens come with every text, and with every part of one: what a file may ask for is limited.
constexpr size_t kMostSpecialBytes = 4096, kMostPieces = 256, kMostSpecials = 1024;

void check_special(const Fields& fields, std::string_view key, std::string_view token) {
  if (token.size() > kMostSpecialBytes)
    fields.fail(key, str("has a token of ", token.size(), " bytes, at most ", kMostSpecialBytes, " are expected"));
}

SpecialToken parse_special(const Fields& fields, std::string_view key) {
  const auto& pair = fields.list(key);
  if (pair.size() != 2 || !pair[0].is_string() || !as_token_id(pair[1])) fields.fail(key, "must be [token, id]");
  check_special(fields, key, pair[0].as_string());
  return {pair[0].as_string(), *as_token_id(pair[1])};
}

bool is_blank(char32_t c) { return c == 0x120 || is_space(c); }  // U+0120: the space of the byte alphabet

int64_t leading_blanks(std::string_view token) {
  int64_t count = 0;
  for (size_t at = 0; at < token.size(); ++count) {
    const auto [c, size] = decode_at(token, at);
    if (!is_blank(c)) break;
    at += size;
  }
  return count;
}

int64_t trailing_blanks(std::string_view token) {
  int64_t count = 0;
  for (size_t end = token.size(); end > 0; ++count) {
    size_t at = end - 1;
    while (at > 0 && is_continuation(token[at])) --at;
    if (!is_blank(decode_at(token, at).c)) break;
    end = at;
  }
  return count;
}

// Takes white space out of the offsets of byte-level tokens.
void trim_offsets(Draft& draft, bool adds_space) {
  for (size_t i = 0; i < draft.size(); ++i) {
    const std::string_view token = draft.encoding.tokens[i];
    auto& [begin, end] = draft.encoding.offsets[i];
    int64_t leading = leading_blanks(token);
    const int64_t trailing = trailing_blanks(token);
    // The one space that the pre-tokenizer itself put in front has no place in the original.
    if (leading == 1 && adds_space && (i == 0 || begin == 0)) leading = 0;
    begin = std::min(begin + leading, end);
    if (trailing > 0 && end >= trailing) end = std::max(end - trailing, begin);
  }
  for (auto& part : draft.overflowing) trim_offsets(part, adds_space);
}

// The draft between special tokens; its sequence range covers only the text.
Draft wrap(Draft&& draft, size_t index, const SpecialToken* before, const SpecialToken& after, int64_t type) {
  std::vector<Draft> parts;
  for (auto& part : draft.overflowing) parts.push_back(wrap(std::move(part), index, before, after, type));
  draft.overflowing.clear();
  draft.ranges = {};
  draft.encoding.special_tokens_mask.assign(draft.size(), 0);
  draft.set_sequence(index);
  Draft out;
  out.reserve(draft.size() + 2);
  if (before != nullptr) out.push_special(before->id, before->text, type);
  out.append(std::move(draft));
  out.push_special(after.id, after.text, type);
  out.encoding.attention_mask.assign(out.size(), 1);
  out.overflowing = std::move(parts);
  return out;
}

class BertProcessing final : public PostProcessor {
 public:
  explicit BertProcessing(const Fields& fields)
      : sep_(parse_special(fields, "sep")), cls_(parse_special(fields, "cls")) {}
  size_t added_tokens(bool is_pair) const override { return is_pair ? 3 : 2; }
  void process(std::vector<Draft>& drafts, bool add_special_tokens) const override {
    if (!add_special_tokens) return;
    for (size_t i = 0; i < drafts.size(); ++i)
      drafts[i] = wrap(std::move(drafts[i]), i, i == 0 ? &cls_ : nullptr, sep_, static_cast<int64_t>(i));
  }

 private:
  SpecialToken sep_, cls_;
};

class RobertaProcessing final : public PostProcessor {
 public:
  explicit RobertaProcessing(const Fields& fields)
      : sep_(parse_special(fields, "sep")),
        cls_(parse_special(fields, "cls")),
        trims_(fields.flag("trim_offsets")),
        adds_space_(fields.flag("add_prefix_space")) {}
  size_t added_tokens(bool is_pair) const override { return is_pair ? 4 : 2; }
  void process(std::vector<Draft>& drafts, bool add_special_tokens) const override {
    for (size_t i = 0; i < drafts.size(); ++i) {
      if (trims_) trim_offsets(drafts[i], adds_space_);
      drafts[i].set_type(0);
      if (!add_special_tokens) continue;
      for (auto& part : drafts[i].overflowing)
        if (i > 0) part.set_type(0);
      drafts[i] = wrap(std::move(drafts[i]), i, i == 0 ? &cls_ : &sep_, sep_, 0);
    }
  }

 private:
  SpecialToken sep_, cls_;
  bool trims_, adds_space_;
};

class ByteLevel final : public PostProcessor {
 public:
  explicit ByteLevel(const Fields& fields)
      : adds_space_(fields.flag("add_prefix_space")), trims_(fields.flag("trim_offsets")) {}
  size_t added_tokens(bool) const override { return 0; }
  void process(std::vector<Draft>& drafts, bool) const override {
    for (size_t i = 0; i < drafts.size(); ++i) {
      if (trims_) trim_offsets(drafts[i], adds_space_);
      drafts[i].set_sequence(i);
    }
  }

 private:
  bool adds_space_, trims_;
};

class TemplateProcessing final : public PostProcessor {
 public:
  explicit TemplateProcessing(const Fields& fields) {
    if (fields.find("special_tokens") != nullptr) parse_specials(fields.child("special_tokens"));
    single_ = parse_template(fields, "single");
    pair_ = parse_template(fields, "pair");
    for (const bool is_pair : {false, true})
      if (added_tokens(is_pair) > kMostSpecials)
        fields.fail(is_pair ? "pair" : "single", str("adds more than ", kMostSpecials, " special tokens"));
    for (const auto& piece : single_)
      if (piece.sequence == 1) fields.fail("single", "uses sequence B, which a single text lacks");
  }
  size_t added_tokens(bool is_pair) const override {
    size_t count = 0;
    for (const auto& piece : is_pair ? pair_ : single_)
      if (piece.special != nullptr) count += piece.special->size();
    return count;
  }
  void process(std::vector<Draft>& drafts, bool add_special_tokens) const override {
    std::vector<Draft> out;
    for (const auto& piece : drafts.size() == 2 ? pair_ : single_) {
      if (piece.special == nullptr) {
        Draft& draft = drafts[static_cast<size_t>(piece.sequence)];
        draft.set_type(piece.type);
        draft.set_sequence(static_cast<size_t>(piece.sequence));
        out.push_back(piece.is_last_use ? std::move(draft) : draft);
      } else if (add_special_tokens) {
        Draft& specials = out.emplace_back();
        for (const auto& token : *piece.special) specials.push_special(token.id, token.text, piece.type);
      }
    }
    drafts = std::move(out);
  }

 private:
  using SpecialTokens = std::vector<SpecialToken>;
  struct Piece {
    int sequence = 0;
    int64_t type = 0;
    const SpecialTokens* special = nullptr;  // null: the text
    bool is_last_use = true;
  };

  void parse_specials(const Fields& fields) {
    for (const auto& [name, json] : fields.json().as_object()) {
      const Fields entry(json, str(fields.where(), ".", name));
      const auto& ids = entry.list("ids");
      const auto& tokens = entry.list("tokens");
      if (ids.size() != tokens.size()) entry.fail("ids", "must be as long as 'tokens'");
      SpecialTokens list;
      for (size_t i = 0; i < ids.size(); ++i) {
        if (!as_token_id(ids[i]) || !tokens[i].is_string())
          entry.fail("ids", "must be token ids, and 'tokens' strings");
        check_special(entry, "tokens", tokens[i].as_string());
        list.push_back({tokens[i].as_string(), *as_token_id(ids[i])});
      }
      specials_[name] = std::move(list);
    }
  }
  std::vector<Piece> parse_template(const Fields& fields, std::string_view key) const {
    std::vector<Piece> out;
    if (fields.list(key).size() > kMostPieces)
      fields.fail(key, str("has ", fields.list(key).size(), " pieces, at most ", kMostPieces, " are expected"));
    for (const auto& element : fields.children(key)) {
      if (element.find("Sequence") != nullptr) {
        const Fields sequence = element.child("Sequence");
        const std::string id = sequence.text("id");
        if (id != "A" && id != "B") sequence.fail("id", "must be A or B");
        for (auto& piece : out)
          if (piece.special == nullptr && piece.sequence == (id == "A" ? 0 : 1)) piece.is_last_use = false;
        out.push_back({.sequence = id == "A" ? 0 : 1, .type = sequence.number("type_id")});
      } else {
        const Fields special = element.child("SpecialToken");
        const auto it = specials_.find(special.text("id"));
        if (it == specials_.end())
          special.fail("id", str("names ", quote(special.text("id")), ", which special_tokens lacks"));
        out.push_back({.type = special.number("type_id"), .special = &it->second});
      }
    }
    return out;
  }

  std::unordered_map<std::string, SpecialTokens> specials_;
  std::vector<Piece> single_, pair_;
};

class Sequence final : public PostProcessor {
 public:
  explicit Sequence(const Fields& fields) {
    for (const auto& child : fields.children("processors")) steps_.push_back(make_post_processor(child));
  }
  size_t added_tokens(bool is_pair) const override {
    size_t count = 0;
    for (const auto& step : steps_) count += step->added_tokens(is_pair);
    return count;
  }
  void process(std::vector<Draft>& drafts, bool add_special_tokens) const override {
    for (const auto& step : steps_) {
      if (drafts.size() > 2)
        throw ValueError("post_processor: a Sequence has a further step behind one that adds special tokens");
      step->process(drafts, add_special_tokens);
    }
  }

 private:
  std::vector<std::unique_ptr<PostProcessor>> steps_;
};

using Made = std::unique_ptr<PostProcessor>;
template <class T>
Made make(const Fields& fields) {
  return std::make_unique<T>(fields);
}

constexpr Component<Made> kPostProcessors[] = {
    {"BertProcessing", make<BertProcessing>},         {"ByteLevel", make<ByteLevel>},
    {"RobertaProcessing", make<RobertaProcessing>},   {"Sequence", make<Sequence>},
    {"TemplateProcessing", make<TemplateProcessing>},
};

}  // namespace

std::unique_ptr<PostProcessor> make_post_processor(const Fields& fields) {
  return make_component(kPostProcessors, fields);
}

}  // namespace transformers::detail
