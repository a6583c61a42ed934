#include "transformers/tokenizers/detail/draft.h"

#include <algorithm>
#include <iterator>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"

namespace transformers::detail {
namespace {

// Calls `act` with every per-token list of one or two encodings.
template <class Act>
void for_each_list(Encoding& a, Encoding& b, const Act& act) {
  act(a.ids, b.ids);
  act(a.type_ids, b.type_ids);
  act(a.tokens, b.tokens);
  act(a.offsets, b.offsets);
  act(a.word_ids, b.word_ids);
  act(a.special_tokens_mask, b.special_tokens_mask);
  act(a.attention_mask, b.attention_mask);
}

Draft part_of(const Draft& whole, size_t begin, size_t end) {
  Draft part;
  for_each_list(part.encoding, const_cast<Encoding&>(whole.encoding), [&](auto& to, const auto& from) {
    to.assign(from.begin() + static_cast<std::ptrdiff_t>(begin), from.begin() + static_cast<std::ptrdiff_t>(end));
  });
  return part;
}

void append_tokens(Draft& to, const Draft& from) {
  const size_t shift = to.size();
  for (size_t i = 0; i < to.ranges.size(); ++i)
    if (from.ranges[i]) to.ranges[i] = Draft::Range{from.ranges[i]->first + shift, from.ranges[i]->second + shift};
  for_each_list(to.encoding, const_cast<Encoding&>(from.encoding),
                [](auto& a, const auto& b) { a.insert(a.end(), b.begin(), b.end()); });
}

Draft joined(Draft left, const Draft& right) {
  left.append(Draft(right));
  return left;
}

}  // namespace

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
    append_tokens(*this, other);
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
  std::vector<Range> parts;
  const size_t step = most - stride;
  if (direction == Side::Right) {
    for (size_t begin = 0; parts.empty() || parts.back().second != count; begin += step)
      parts.emplace_back(begin, std::min(begin + most, count));
  } else {
    for (size_t end = count; parts.empty() || parts.back().first != 0; end -= step)
      parts.emplace_back(end > most ? end - most : 0, end);
  }
  Draft first = part_of(*this, parts[0].first, parts[0].second);
  for (size_t i = 1; i < parts.size(); ++i)
    first.overflowing.push_back(part_of(*this, parts[i].first, parts[i].second));
  *this = std::move(first);
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

size_t padded_length(size_t longest, const PaddingOptions& options) {
  auto length = options.length ? static_cast<size_t>(*options.length) : longest;
  const auto multiple = static_cast<size_t>(options.pad_to_multiple_of.value_or(0));
  if (multiple > 0 && length % multiple > 0) length += multiple - length % multiple;
  return length;
}

}  // namespace transformers::detail
