#include "transformers/tokenizers/detail/draft.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"

namespace transformers::detail {

constexpr size_t kMostParts = size_t{1} << 22;  // a part takes some 400 bytes besides its tokens

namespace {

// Calls `act` with every per-token list, as a pointer to the member. Going list by list, and freeing each at once,
// keeps the memory of long texts low.
template <class Act>
void for_each_list(const Act& act) {
  act(&Encoding::ids);
  act(&Encoding::type_ids);
  act(&Encoding::tokens);
  act(&Encoding::offsets);
  act(&Encoding::word_ids);
  act(&Encoding::special_tokens_mask);
  act(&Encoding::attention_mask);
}

std::ptrdiff_t signed_of(size_t value) { return static_cast<std::ptrdiff_t>(value); }

// Moves the elements behind each other into the longer list.
template <class T>
void append_list(std::vector<T>& to, std::vector<T>&& from) {
  std::vector<T> more = std::move(from);
  if (to.size() < more.size() && to.capacity() < to.size() + more.size()) {
    more.insert(more.begin(), std::make_move_iterator(to.begin()), std::make_move_iterator(to.end()));
    to = std::move(more);
  } else {
    to.insert(to.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  }
}

void append_tokens(Draft& to, Draft&& from) {
  const size_t shift = to.size();
  for (size_t i = 0; i < to.ranges.size(); ++i)
    if (from.ranges[i]) to.ranges[i] = Draft::Range{from.ranges[i]->first + shift, from.ranges[i]->second + shift};
  for_each_list([&](auto list) { append_list(to.encoding.*list, std::move(from.encoding.*list)); });
}

// Overlapping parts, and every part of one text with every part of another, may be many times the text.
void check_overflow(size_t tokens, size_t text_tokens) {
  constexpr size_t kLeast = size_t{1} << 22, kMostTimes = 16;
  if (tokens > std::max(kLeast, kMostTimes * text_tokens))
    throw ValueError(str("truncation: the parts of a text of ", text_tokens, " tokens would take ", tokens,
                         " together, more than 16 times as many; choose a smaller stride or a larger max_length"));
}

size_t with_overflow(const Draft& draft) {
  size_t tokens = draft.size();
  for (const auto& part : draft.overflowing) tokens += part.size();
  return tokens;
}

// Tokens of all combinations of what two drafts hold.
void check_combinations(const Draft& a, const Draft& b) {
  const size_t tokens_a = with_overflow(a), tokens_b = with_overflow(b);
  const size_t parts_a = 1 + a.overflowing.size(), parts_b = 1 + b.overflowing.size();
  size_t left = 0, right = 0, total = 0;
  if (__builtin_mul_overflow(tokens_a, parts_b, &left) || __builtin_mul_overflow(tokens_b, parts_a, &right) ||
      __builtin_add_overflow(left, right, &total))
    total = SIZE_MAX;
  check_overflow(total, tokens_a + tokens_b);
}

Draft joined(Draft left, const Draft& right) {
  left.append(Draft(right));
  return left;
}

}  // namespace

void Draft::reserve(size_t tokens) {
  for_each_list([&](auto list) { (encoding.*list).reserve(tokens); });
}

void Draft::push_special(int64_t id, std::string_view token, int64_t type) {
  encoding.ids.push_back(id);
  encoding.type_ids.push_back(type);
  encoding.tokens.emplace_back(token);
  encoding.offsets.emplace_back(0, 0);
  encoding.word_ids.emplace_back();
  encoding.special_tokens_mask.push_back(1);
  encoding.attention_mask.push_back(1);
}

void Draft::append(Draft&& other) {
  if (!overflowing.empty() || !other.overflowing.empty()) check_combinations(*this, other);
  std::vector<Draft> overflow;
  for (const auto& mine : overflowing) {
    overflow.push_back(joined(mine, other));
    for (const auto& theirs : other.overflowing) overflow.push_back(joined(mine, theirs));
  }
  for (const auto& theirs : other.overflowing) overflow.push_back(joined(*this, theirs));
  if (size() == 0) {
    for (size_t i = 0; i < ranges.size(); ++i)
      if (other.ranges[i]) ranges[i] = other.ranges[i];
    encoding = std::move(other.encoding);
  } else {
    append_tokens(*this, std::move(other));
  }
  overflowing = std::move(overflow);
}

void Draft::truncate(size_t most, size_t stride, Side direction) {
  const size_t count = size();
  if (most >= count) return;
  if (most == 0) {
    Draft whole = std::move(*this);
    *this = Draft();
    overflowing.push_back(std::move(whole));
    return;
  }
  if (stride >= most)
    throw ValueError(str("truncation: stride ", stride, " must be less than the ", most,
                         " tokens that are left for the text; choose a smaller stride or a larger max_length"));
  const size_t step = most - stride;
  if (count / step > kMostParts)
    throw ValueError(str("truncation: a text of ", count, " tokens falls into more than ", kMostParts,
                         " parts; choose a larger max_length or a smaller stride"));
  std::vector<Range> parts;
  if (direction == Side::Right) {
    for (size_t begin = 0; parts.empty() || parts.back().second != count; begin += step)
      parts.emplace_back(begin, std::min(begin + most, count));
  } else {
    for (size_t end = count; parts.empty() || parts.back().first != 0; end -= step)
      parts.emplace_back(end > most ? end - most : 0, end);
  }
  check_overflow(parts.size() * most, count);
  std::vector<Draft> drafts(parts.size());
  for_each_list([&](auto list) {
    const auto from = std::exchange(encoding.*list, {});
    for (size_t i = 0; i < parts.size(); ++i)
      (drafts[i].encoding.*list)
          .assign(from.begin() + signed_of(parts[i].first), from.begin() + signed_of(parts[i].second));
  });
  *this = std::move(drafts.front());
  overflowing.assign(std::make_move_iterator(drafts.begin() + 1), std::make_move_iterator(drafts.end()));
}

size_t Draft::missing_tokens(size_t length) const {
  size_t missing = length - std::min(length, size());
  for (const auto& part : overflowing) missing += part.missing_tokens(length);
  return missing;
}

void Draft::pad(size_t length, const PaddingOptions& options) {
  for (auto& part : overflowing) part.pad(length, options);
  if (size() >= length) return;
  const size_t missing = length - size();
  const bool left = options.direction == Side::Left;
  const auto fill = [&](auto& list, const auto& value) {
    list.insert(left ? list.begin() : list.end(), missing, value);
  };
  fill(encoding.ids, options.pad_id);
  fill(encoding.type_ids, options.pad_type_id);
  fill(encoding.tokens, options.pad_token);
  fill(encoding.offsets, std::pair<int64_t, int64_t>(0, 0));
  fill(encoding.word_ids, std::optional<int64_t>());
  fill(encoding.special_tokens_mask, int64_t{1});
  fill(encoding.attention_mask, int64_t{0});
  if (!left) return;
  for (auto& range : ranges)
    if (range) *range = {range->first + missing, range->second + missing};
}

Encoding Draft::finish() && {
  const size_t known = static_cast<size_t>(ranges[0].has_value()) + static_cast<size_t>(ranges[1].has_value());
  const size_t sequences = std::max<size_t>(1, known);
  encoding.sequence_ids.assign(size(), std::nullopt);
  for (size_t i = 0; i < sequences; ++i) {
    const Range range = ranges[i].value_or(Range{0, size()});
    std::fill(encoding.sequence_ids.begin() + static_cast<std::ptrdiff_t>(range.first),
              encoding.sequence_ids.begin() + static_cast<std::ptrdiff_t>(range.second), static_cast<int64_t>(i));
  }
  encoding.overflowing.reserve(overflowing.size());
  for (auto& part : overflowing) encoding.overflowing.push_back(std::move(part).finish());
  return std::move(encoding);
}

namespace {

void truncate_longest_first(std::vector<Draft>& drafts, const TruncationOptions& options, size_t most) {
  const auto stride = static_cast<size_t>(options.stride);
  if (drafts.size() == 1) return drafts[0].truncate(most, stride, options.direction);
  // The shorter text stays whole when the longer one can make room, else both get half.
  size_t shorter = drafts[0].size(), longer = drafts[1].size();
  const bool swapped = shorter > longer;
  if (swapped) std::swap(shorter, longer);
  longer = shorter > most ? shorter : std::max(shorter, most - shorter);
  if (shorter + longer > most) {
    shorter = most / 2;
    longer = shorter + most % 2;
  }
  if (swapped) std::swap(shorter, longer);
  drafts[0].truncate(shorter, stride, options.direction);
  drafts[1].truncate(longer, stride, options.direction);
}

}  // namespace

void truncate_drafts(std::vector<Draft>& drafts, const TruncationOptions& options, size_t most) {
  size_t total = 0;
  for (const auto& draft : drafts) total += draft.size();
  if (most == 0) {
    for (auto& draft : drafts) draft.truncate(0, 0, options.direction);
    return;
  }
  if (total <= most) return;
  if (options.strategy == "LongestFirst") return truncate_longest_first(drafts, options, most);
  const size_t which = options.strategy == "OnlyFirst" ? 0 : 1;
  if (which >= drafts.size()) throw ValueError("truncation: the strategy OnlySecond needs a pair of texts");
  const size_t excess = total - most;
  if (drafts[which].size() <= excess)
    throw ValueError(str("truncation: the text to shorten has ", drafts[which].size(), " tokens, ", excess,
                         " would have to go to reach max_length; use the strategy LongestFirst"));
  drafts[which].truncate(drafts[which].size() - excess, static_cast<size_t>(options.stride), options.direction);
}

void check_padding(size_t missing_tokens, const PaddingOptions& options) {
  constexpr size_t kPerToken = 112, kMostBytes = size_t{4} << 30;  // what an Encoding holds for each token
  const size_t each = kPerToken + options.pad_token.size();
  if (missing_tokens > kMostBytes / each)
    throw ValueError(str("padding: ", missing_tokens, " padding tokens of ", each,
                         " bytes each are more than the 4 GiB allowed; choose a smaller length, or encode fewer texts "
                         "at once"));
}

size_t padded_length(size_t longest, const PaddingOptions& options) {
  auto length = options.length ? static_cast<size_t>(*options.length) : longest;
  const auto multiple = static_cast<size_t>(options.pad_to_multiple_of.value_or(0));
  if (multiple > 0 && length % multiple > 0) length += multiple - length % multiple;
  return length;
}

}  // namespace transformers::detail
