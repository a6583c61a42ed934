#include "transformers/hub/model_card.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "transformers/base/error.h"
#include "transformers/base/json.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"

// The front matter is YAML of which one list is read and extended by its lines. What is around it is not touched, so no
// parser is needed that would have to write everything back.
namespace transformers::hub {

namespace {

constexpr std::string_view kNewCard =
    "\n# Model card\n\nUploaded by transformers.cpp. What the model is for, how it was trained and what it cannot do "
    "is best told here.\n";

struct Unreadable {
  std::string_view why;
};

struct Line {
  std::string_view text;  // without its end
  size_t begin, end;      // with its end, in the card
};

bool is_fence(std::string_view line) { return line.starts_with("---") && trim(line.substr(3)).empty(); }

// Up to the second fence.
std::vector<Line> lines_of(std::string_view card) {
  std::vector<Line> lines;
  for (size_t at = 0; at < card.size();) {
    const auto newline = card.find('\n', at);
    const auto end = newline == std::string_view::npos ? card.size() : newline + 1;
    auto text = card.substr(at, end - at);
    while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
    lines.push_back({text, at, end});
    if (at > 0 && is_fence(text)) break;
    at = end;
  }
  return lines;
}

size_t indent_of(std::string_view line) { return std::min(line.find_first_not_of(' '), line.size()); }

bool is_blank_or_comment(std::string_view line) {
  const auto text = trim(line);
  return text.empty() || text.front() == '#';
}

// The scalar at the start of `text`, which is taken off; a plain one ends at one of `ends` or at " #".
std::string take_scalar(std::string_view& text, std::string_view ends) {
  std::string value;
  if (text.starts_with('"')) {
    size_t at = 1;
    while (at < text.size() && text[at] != '"') at += text[at] == '\\' ? 2 : 1;
    if (at >= text.size()) throw Unreadable{"a quote does not end"};
    const auto quoted = text.substr(0, at + 1);
    text.remove_prefix(at + 1);
    try {
      return Json::parse(quoted).as_string();
    } catch (const Error&) {  // an escape that only YAML has
      return std::string(quoted);
    }
  }
  if (text.starts_with('\'')) {
    size_t at = 1;
    for (; at < text.size(); ++at) {
      if (text[at] == '\'' && !(at + 1 < text.size() && text[at + 1] == '\'')) break;
      if (text[at] == '\'') ++at;
      value += text[at];
    }
    if (at >= text.size()) throw Unreadable{"a quote does not end"};
    text.remove_prefix(at + 1);
    return value;
  }
  if (!text.empty() && std::string_view("&*!{}|>@`%[").find(text.front()) != std::string_view::npos)
    throw Unreadable{"an element is no plain text"};
  size_t at = 0;
  while (at < text.size() && ends.find(text[at]) == std::string_view::npos &&
         !(text[at] == '#' && at > 0 && text[at - 1] == ' '))
    ++at;
  value = trim(text.substr(0, at));
  text.remove_prefix(at);
  return value;
}

void expect_end(std::string_view rest) {
  if (!is_blank_or_comment(rest)) throw Unreadable{"something follows an element"};
}

// As it can stand in a list without being taken for something else.
std::string written(const std::string& tag) {
  constexpr std::string_view plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./+";
  constexpr std::string_view words[] = {"true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"};
  const bool is_plain = !tag.empty() && std::isalpha(static_cast<unsigned char>(tag.front())) != 0 &&
                        tag.find_first_not_of(plain) == std::string::npos &&
                        std::find(std::begin(words), std::end(words), to_lower_ascii(tag)) == std::end(words);
  return is_plain ? tag : Json(tag).dump();
}

// Where a card's list of tags is, and how it can be made longer.
struct TagList {
  std::set<std::string, std::less<>> tags = {};
  size_t begin = 0, end = 0;            // what is replaced, in the card
  std::string before = {}, after = {};  // what stands in its place, around the new tags
  std::string separator = {};           // before each new tag
  bool is_first_bare = false;           // nothing before the first
};

class Editor {
 public:
  explicit Editor(std::string_view card) : card_(card), lines_(lines_of(card)) {
    newline_ = card.substr(0, card.find('\n')).ends_with('\r') ? "\r\n" : "\n";
  }

  std::string extended(std::span<const std::string> tags) {
    const auto last = front_matter_end();
    if (!last) return with_front_matter(tags);
    const auto list = tag_list(*last);
    std::string added;
    std::set<std::string, std::less<>> known = list.tags;
    for (const auto& tag : tags)
      if (known.insert(tag).second) added += str(list.separator, written(tag), list.after.empty() ? newline_ : "");
    if (added.empty()) return std::string(card_);
    if (list.is_first_bare) added.erase(0, list.separator.size());
    return str(card_.substr(0, list.begin), list.before, added, list.after, card_.substr(list.end));
  }

 private:
  // The line of the second fence.
  std::optional<size_t> front_matter_end() {
    constexpr std::string_view mark = "\xEF\xBB\xBF";
    if (lines_.empty()) return std::nullopt;
    auto first = lines_[0].text;
    if (first.starts_with(mark)) first.remove_prefix(mark.size());
    if (!is_fence(first)) return std::nullopt;
    for (size_t i = 1; i < lines_.size(); ++i)
      if (is_fence(lines_[i].text)) return i;
    return std::nullopt;
  }

  std::string with_front_matter(std::span<const std::string> tags) const {
    std::string text = str("---", newline_, "library_name: transformers", newline_);
    if (!tags.empty()) text += str("tags:", newline_);
    std::set<std::string_view> known;
    for (const auto& tag : tags)
      if (known.insert(tag).second) text += str("- ", written(tag), newline_);
    return str(text, "---", newline_, card_.empty() ? kNewCard : card_);
  }

  TagList tag_list(size_t last) const {
    for (size_t i = 1; i < last; ++i) {
      const auto line = lines_[i].text;
      if (!line.starts_with("tags")) continue;
      auto rest = line.substr(4);
      rest.remove_prefix(indent_of(rest));
      if (!rest.starts_with(':') || (rest.size() > 1 && rest[1] != ' ' && rest[1] != '\t')) continue;
      const auto value = trim(rest.substr(1));
      if (is_blank_or_comment(value)) return block(i, last);
      if (value.front() == '[') return flow(last, static_cast<size_t>(value.data() - card_.data()));
      return single(i, value);
    }
    const auto at = lines_[last].begin;
    return {.begin = at, .end = at, .before = str("tags:", newline_), .separator = "- "};
  }

  // tags:
  // - a
  TagList block(size_t key, size_t last) const {
    TagList list{.begin = lines_[key].end, .end = lines_[key].end, .separator = "- "};
    for (size_t i = key + 1; i < last; ++i) {
      const auto line = lines_[i].text;
      if (is_blank_or_comment(line)) continue;
      const auto indent = indent_of(line);
      auto item = line.substr(indent);
      const bool is_item = item == "-" || item.starts_with("- ");
      if (!is_item && indent == 0) break;
      if (!is_item) throw Unreadable{"an element takes several lines"};
      item.remove_prefix(1);
      item = trim(item);
      if (!item.empty()) {
        list.tags.insert(take_scalar(item, ""));
        expect_end(item);
      }
      list.separator = str(std::string(indent, ' '), "- ");
      list.begin = list.end = lines_[i].end;
    }
    return list;
  }

  // tags: [a, b], perhaps over several lines
  TagList flow(size_t last, size_t open) const {
    TagList list{.separator = ", "};
    const auto end = lines_[last].begin;
    auto rest = card_.substr(open + 1, end - open - 1);
    bool wants_comma = false;
    for (;;) {
      const auto skipped = std::min(rest.find_first_not_of(" \t\r\n"), rest.size());
      rest.remove_prefix(skipped);
      if (rest.empty()) throw Unreadable{"the list does not end"};
      if (rest.front() == ']') break;
      if (rest.front() == '#') throw Unreadable{"a comment stands in the list"};
      if (std::exchange(wants_comma, !wants_comma)) {
        if (rest.front() != ',') throw Unreadable{"a comma is missing"};
        rest.remove_prefix(1);
      } else {
        list.tags.insert(take_scalar(rest, ",]\r\n"));
      }
    }
    list.begin = end - rest.size();
    list.end = list.begin + 1;
    list.after = "]";
    list.is_first_bare = !wants_comma;  // after the bracket or a last comma
    return list;
  }

  // tags: a
  TagList single(size_t key, std::string_view value) const {
    TagList list{.begin = lines_[key].begin, .end = lines_[key].end, .separator = "- "};
    const auto all = value;
    const auto tag = take_scalar(value, "");
    expect_end(value);
    if (key + 1 < lines_.size() && lines_[key + 1].text.starts_with(' '))
      throw Unreadable{"the value takes several lines"};
    list.before = str("tags:", newline_);
    const bool is_nothing = all == "~" || to_lower_ascii(tag) == "null";
    if (!is_nothing) {
      list.tags.insert(tag);
      list.before += str("- ", all, newline_);
    }
    return list;
  }

  std::string_view card_, newline_;
  std::vector<Line> lines_;
};

}  // namespace

std::string extend_model_card(std::string_view card, std::span<const std::string> tags) {
  try {
    return Editor(card).extended(tags);
  } catch (const Unreadable& unreadable) {
    logging::warning(str("README.md: the tags of the front matter cannot be extended, ", unreadable.why,
                         "; it stays as it is: add these by hand: ", join(tags, ", ")));
    return std::string(card);
  }
}

}  // namespace transformers::hub
