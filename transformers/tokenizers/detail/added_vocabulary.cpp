#include "transformers/tokenizers/detail/added_vocabulary.h"

#include <algorithm>
#include <cstring>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/tokenizers/detail/unicode.h"

namespace transformers::detail {

constexpr size_t kLeastSteps = 10'000'000, kStepsPerByte = 256;

AddedToken parse_added_token(const Fields& fields) {
  return {.content = fields.text("content"),
          .single_word = fields.flag("single_word", false),
          .lstrip = fields.flag("lstrip", false),
          .rstrip = fields.flag("rstrip", false),
          .normalized = fields.flag("normalized", !fields.flag("special", false)),
          .special = fields.flag("special", false)};
}

void TextFinder::build() {
  std::stable_sort(texts_.begin(), texts_.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  starts_.assign(257, 0);
  for (const auto& [text, id] : texts_) ++starts_[static_cast<uint8_t>(text[0]) + 1U];
  for (size_t i = 1; i < starts_.size(); ++i) starts_[i] += starts_[i - 1];
}

std::optional<TextFinder::Found> TextFinder::longest_at(std::string_view text, size_t at, size_t& steps) const {
  // The texts that agree so far are neighbours; each further byte narrows them.
  const auto lead = static_cast<uint8_t>(text[at]);
  size_t low = starts_[lead], high = starts_[lead + 1U];
  std::optional<Found> best;
  const size_t most_steps = kLeastSteps + kStepsPerByte * text.size();
  for (size_t depth = 1; low < high; ++depth) {
    if (++steps > most_steps)
      throw ValueError("added_tokens: looking for them takes too long, as long ones begin like much of the text");
    if (texts_[low].first.size() == depth) {
      best = Found{at, at + depth, texts_[low].second};
      while (low < high && texts_[low].first.size() == depth) ++low;
    }
    if (at + depth >= text.size()) break;
    const char next = text[at + depth];
    const auto byte_less = [&](char a, char b) { return static_cast<uint8_t>(a) < static_cast<uint8_t>(b); };
    const auto begin = texts_.begin() + static_cast<std::ptrdiff_t>(low);
    const auto end = texts_.begin() + static_cast<std::ptrdiff_t>(high);
    const auto first = std::partition_point(begin, end, [&](const auto& t) { return byte_less(t.first[depth], next); });
    const auto last = std::partition_point(first, end, [&](const auto& t) { return !byte_less(next, t.first[depth]); });
    low = static_cast<size_t>(first - texts_.begin());
    high = static_cast<size_t>(last - texts_.begin());
  }
  return best;
}

std::optional<TextFinder::Found> TextFinder::find(std::string_view text, size_t from, size_t& steps) const {
  for (size_t at = from; at < text.size(); ++at) {
    const auto lead = static_cast<uint8_t>(text[at]);
    if (starts_[lead] == starts_[lead + 1U]) continue;
    if (const auto found = longest_at(text, at, steps)) return found;
  }
  return std::nullopt;
}

namespace {

std::optional<std::string> normalized_content(const AddedToken& token, const Normalizer* normalizer) {
  if (!token.normalized || normalizer == nullptr) return std::nullopt;
  Arena arena;
  arena.reset(token.content.size());
  const auto text = normalizer->normalize(NormalizedText::of(token.content), arena).text;
  return text == token.content ? std::nullopt : std::optional(std::string(text));
}

// The character before `at`; `at` must not be 0.
char32_t character_before(std::string_view text, size_t at) {
  do --at;
  while (at > 0 && is_continuation(text[at]));
  return decode_at(text, at).c;
}

bool stands_alone(std::string_view text, size_t begin, size_t end) {
  const bool joins_left = begin > 0 && is(character_before(text, begin), CodePointClass::Word);
  return !joins_left && (end == text.size() || !is(decode_at(text, end).c, CodePointClass::Word));
}

size_t strip_left(std::string_view text, size_t begin) {
  while (begin > 0 && is_space(character_before(text, begin))) do
      --begin;
    while (begin > 0 && is_continuation(text[begin]));
  return begin;
}

size_t strip_right(std::string_view text, size_t end) {
  while (end < text.size()) {
    const auto [c, size] = decode_at(text, end);
    if (!is_space(c)) break;
    end += size;
  }
  return end;
}

}  // namespace

void AddedVocabulary::add(const std::vector<AddedToken>& tokens, const Vocabulary& model,
                          const Normalizer* normalizer) {
  constexpr size_t kLeastBytes = size_t{1} << 26;
  size_t given = 0, taken = 0;
  uint64_t next = model.size();
  for (const auto& [id, entry] : entries_)
    if (id >= model.size() || model.size() == 0) next = std::max<uint64_t>(next, uint64_t{id} + 1);
  for (const auto& token : tokens) {
    if (token.content.empty()) continue;
    auto id = find(token.content);
    if (id && entries_.at(*id).token == token) continue;
    if (!id) id = model.find(token.content);
    if (!id) {
      if (next > UINT32_MAX) throw ValueError("added_tokens: ids beyond 4294967295 would be needed");
      id = static_cast<uint32_t>(next++);
    }
    auto normalized = normalized_content(token, normalizer);
    given += token.content.size();
    taken += normalized ? normalized->size() : 0;
    if (taken > std::max(kLeastBytes, 64 * given))
      throw ValueError(str("added_tokens: the normalizer makes more than ", taken, " bytes of ", given,
                           ", which is too large; the last token is ", quote(token.content)));
    ids_[token.content] = *id;
    if (token.special) specials_.insert(token.content);
    entries_[*id] = {token, std::move(normalized)};
  }
  rebuild();
}

void AddedVocabulary::rebuild() {
  plain_ = normalized_ = {};
  for (const auto& [id, entry] : entries_) {
    const std::string& content = entry.normalized ? *entry.normalized : entry.token.content;
    if (!content.empty()) (entry.token.normalized ? normalized_ : plain_).add(content, id);
  }
  plain_.build();
  normalized_.build();
}

void AddedVocabulary::split(const NormalizedText& source, const TextFinder& finder, std::vector<Piece>& out) const {
  const std::string_view text = source.text;
  const auto push = [&](size_t begin, size_t end, int64_t id) {
    if (begin < end) out.push_back({source.slice(begin, end), id});
  };
  if (finder.empty()) return push(0, text.size(), -1);
  size_t covered = 0;
  // The search goes on behind each find itself, not behind the white space that it took, as in the reference.
  size_t steps = 0;
  for (auto found = finder.find(text, 0, steps); found; found = finder.find(text, found->end, steps)) {
    const AddedToken& token = entries_.at(found->id).token;
    size_t begin = found->begin, end = found->end;
    if (token.single_word && !stands_alone(text, begin, end)) continue;
    if (token.lstrip) begin = std::max(strip_left(text, begin), covered);
    if (token.rstrip) end = strip_right(text, end);
    push(covered, begin, -1);
    push(begin, end, found->id);
    covered = end;
  }
  push(covered, text.size(), -1);
}

void AddedVocabulary::extract(std::string_view text, const Normalizer* normalizer, Workspace& work) const {
  work.pieces.clear();
  work.next.clear();
  split(NormalizedText::of(text), plain_, work.next);
  for (const auto& piece : work.next) {
    if (piece.added_id >= 0)
      work.pieces.push_back(piece);
    else
      split(normalizer == nullptr ? piece.text : normalizer->normalize(piece.text, work.arena), normalized_,
            work.pieces);
  }
}

std::optional<uint32_t> AddedVocabulary::find(std::string_view content) const {
  const auto it = ids_.find(std::string(content));
  return it == ids_.end() ? std::nullopt : std::optional(it->second);
}

std::optional<std::string_view> AddedVocabulary::token(uint32_t id) const {
  const auto it = entries_.find(id);
  if (it == entries_.end()) return std::nullopt;
  return it->second.normalized ? std::string_view(*it->second.normalized) : std::string_view(it->second.token.content);
}

const AddedToken* AddedVocabulary::added(uint32_t id) const {
  const auto it = entries_.find(id);
  return it == entries_.end() ? nullptr : &it->second.token;
}

size_t AddedVocabulary::size_beyond(const Vocabulary& model) const {
  return static_cast<size_t>(
      std::count_if(ids_.begin(), ids_.end(), [&](const auto& entry) { return !model.find(entry.first); }));
}

Json AddedVocabulary::to_json() const {
  std::vector<std::pair<uint32_t, const AddedToken*>> order;
  for (const auto& [id, entry] : entries_) order.emplace_back(id, &entry.token);
  std::sort(order.begin(), order.end());
  Json::Array out;
  for (const auto& [id, token] : order)
    out.emplace_back(Json::Object{{"id", int64_t{id}},
                                  {"content", token->content},
                                  {"single_word", token->single_word},
                                  {"lstrip", token->lstrip},
                                  {"rstrip", token->rstrip},
                                  {"normalized", token->normalized},
                                  {"special", token->special}});
  return Json(std::move(out));
}

}  // namespace transformers::detail
