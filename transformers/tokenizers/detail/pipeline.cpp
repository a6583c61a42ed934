#include "transformers/tokenizers/detail/pipeline.h"

#include <algorithm>

#include "transformers/base/error.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/tokenizers/detail/unicode.h"

namespace transformers::detail {

constexpr size_t kMostTextBytes = size_t{1} << 30;

struct EncodeWorkspace {
  Workspace text = {};
  std::vector<Token> tokens = {};
  std::vector<uint32_t> characters = {};  // by byte of the original: the index of its character
};

namespace {

// The calling thread's workspace. What a long text needed is given back at the end, in failure too.
struct Lease {
  explicit Lease(size_t text_bytes) : work(instance()), is_large(text_bytes > kKeptTextBytes) {}
  ~Lease() {
    if (is_large || work.text.arena.size_bytes() > kKeptArenaBytes) work = {};
  }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  EncodeWorkspace& work;

 private:
  static constexpr size_t kKeptTextBytes = size_t{1} << 19, kKeptArenaBytes = size_t{1} << 23;
  static EncodeWorkspace& instance() {
    static thread_local EncodeWorkspace work;
    return work;
  }
  bool is_large;
};

// The tokens' strings: each is as long as the file likes and may come out for every byte of the text.
class TokenBudget {
 public:
  TokenBudget(std::string_view where, size_t text_bytes)
      : where_(where), most_(std::max(size_t{1} << 26, 64 * text_bytes)) {}
  void charge(std::string_view token) {
    if ((used_ += token.size()) <= most_) return;
    throw ValueError(str(where_, ": model: the tokens of a text take more than ", most_,
                         " bytes, which is 64 times the text; the last is ", quote(token)));
  }

 private:
  std::string_view where_;
  size_t most_, used_ = 0;
};

// Byte offsets to code points.
class CharacterIndex {
 public:
  CharacterIndex(std::string_view text, std::vector<uint32_t>& memory)
      : index_(memory), is_ascii_(is_ascii(text)), size_(text.size()) {
    if (is_ascii_) return;
    index_.resize(text.size());
    uint32_t character = 0;
    for (size_t i = 0; i < text.size(); ++i) {
      if (i > 0 && !is_continuation(text[i])) ++character;
      index_[i] = character;
    }
  }
  // A range that starts at the end stays as it is, in bytes: so does the reference.
  [[nodiscard]] std::pair<int64_t, int64_t> convert(Span span) const {
    if (is_ascii_ || span.begin >= size_) return {span.begin, span.end};
    const int64_t begin = index_[span.begin];
    if (span.end < size_) return {begin, index_[span.end]};
    return {begin, (span.end > 0 && span.end - 1 < size_ ? index_[span.end - 1] : begin + 1) + int64_t{1}};
  }

 private:
  std::vector<uint32_t>& index_;
  bool is_ascii_;
  size_t size_;
};

void reserve(Encoding& encoding, size_t tokens) {
  encoding.ids.reserve(tokens);
  encoding.tokens.reserve(tokens);
  encoding.offsets.reserve(tokens);
  encoding.word_ids.reserve(tokens);
}

void push(Encoding& encoding, uint32_t id, std::string_view token, std::pair<int64_t, int64_t> offsets, size_t word) {
  encoding.ids.push_back(id);
  encoding.tokens.emplace_back(token);
  encoding.offsets.push_back(offsets);
  encoding.word_ids.emplace_back(static_cast<int64_t>(word));
}

}  // namespace

std::optional<std::string_view> Pipeline::token(uint32_t id) const {
  if (const auto text = added.token(id)) return text;
  return model->vocabulary().token(id);
}

// Cuts the text into pieces for the model, which end up in `work.pieces`.
void Pipeline::split(std::string_view text, Workspace& work) const {
  work.arena.reset(text.size());
  added.extract(text, normalizer.get(), work);
  try {
    if (pre_tokenizer != nullptr) pre_tokenizer->pre_tokenize(work);
    if (model->takes_bytes()) return;
    for (auto& piece : work.pieces)
      if (piece.text.is_bytes) piece.text = spell_bytes(piece.text, work.arena);
  } catch (const ArenaFull& full) {
    throw ValueError(str(where, ": pre_tokenizer ", full.message()));
  }
}

void Pipeline::tokenize(std::string_view text, EncodeWorkspace& work, Encoding& out) const {
  const auto& pieces = work.text.pieces;
  reserve(out, pieces.size() + pieces.size() / 4);
  const CharacterIndex characters(text, work.characters);
  const Vocabulary& vocabulary = model->vocabulary();
  TokenBudget budget(where, text.size());
  for (size_t i = 0; i < pieces.size(); ++i) {
    const auto& [piece, added_id] = pieces[i];
    if (added_id >= 0) {
      push(out, static_cast<uint32_t>(added_id), piece.text, characters.convert(piece.origin(0, piece.text.size())), i);
      continue;
    }
    work.tokens.clear();
    model->tokenize(piece, work.tokens);
    for (const auto& [id, begin, end] : work.tokens) {
      const auto token = vocabulary.token(id).value_or(std::string_view());
      budget.charge(token);
      push(out, id, token, characters.convert(piece.origin(begin, end)), i);
    }
  }
}

Draft Pipeline::encode(std::string_view text, size_t index) const {
  if (text.size() > kMostTextBytes)
    throw ValueError(str(where, ": a text of ", text.size(), " bytes is more than can be encoded at once (1 GiB)"));
  if (!is_utf8(text)) throw ValueError(str(where, ": the text to encode is not well-formed UTF-8: ", quote(text)));
  Draft draft;
  Encoding& out = draft.encoding;
  {
    const Lease lease(text.size());
    split(text, lease.work.text);
    lease.work.text.trim();
    tokenize(text, lease.work, out);
  }
  out.type_ids.assign(out.ids.size(), static_cast<int64_t>(index));
  out.special_tokens_mask.assign(out.ids.size(), 0);
  out.attention_mask.assign(out.ids.size(), 1);
  return draft;
}

Draft Pipeline::post_process(std::vector<Draft>&& drafts, bool add_special_tokens,
                             const std::optional<TruncationOptions>& truncation) const {
  if (truncation) {
    const size_t specials = add_special_tokens ? added_tokens(drafts.size() == 2) : 0;
    const auto most = static_cast<size_t>(truncation->max_length);
    if (specials > most)
      throw ValueError(
          str(where, ": truncation to max_length ", most, " leaves no room for ", specials, " special tokens"));
    truncate_drafts(drafts, *truncation, most - specials);
  }
  if (post_processor != nullptr) {
    for (size_t i = 0; i < drafts.size(); ++i) {
      drafts[i].set_sequence(i);
      drafts[i].set_type(static_cast<int64_t>(i));
      for (auto& part : drafts[i].overflowing) part.set_sequence(i);
    }
    post_processor->process(drafts, add_special_tokens);
  } else if (drafts.size() == 2) {
    for (size_t i = 0; i < drafts.size(); ++i) drafts[i].set_sequence(i);
  } else {
    return std::move(drafts[0]);
  }
  Draft out;
  for (auto& draft : drafts) out.append(std::move(draft));
  return out;
}

void build_parts(Pipeline& pipeline, const Json& json, const std::string& where) {
  const Fields fields(json, where);
  const auto named = [&](std::string_view key) { return Fields(fields.require(key), str(where, ": ", key)); };
  const auto has = [&](std::string_view key) {
    const Json* const part = fields.find(key);
    pipeline.parts[key] = part == nullptr ? Json() : *part;
    return part != nullptr;
  };
  pipeline.where = where;
  if (has("normalizer")) pipeline.normalizer = make_normalizer(named("normalizer"));
  if (has("pre_tokenizer")) pipeline.pre_tokenizer = make_pre_tokenizer(named("pre_tokenizer"));
  if (has("post_processor")) pipeline.post_processor = make_post_processor(named("post_processor"));
  if (has("decoder")) pipeline.decoder = make_decoder(named("decoder"));
  if (fields.find("added_tokens") == nullptr) return;
  std::vector<AddedToken> tokens;
  for (const auto& entry : fields.children("added_tokens")) {
    tokens.push_back(parse_added_token(entry));
    const int64_t id = entry.number("id");
    if (const auto known = pipeline.model->vocabulary().find(tokens.back().content); known && *known != id)
      logging::warning(str(entry.where(), ": token ", quote(tokens.back().content), " is said to have the id ", id,
                           ", the vocabulary gives it ", int64_t{*known}, ", which counts"));
  }
  pipeline.added.add(tokens, pipeline.model->vocabulary(), pipeline.normalizer.get());
}

}  // namespace transformers::detail
