#include "transformers/tokenizers/detail/pattern.h"

#include <oniguruma.h>

#include <algorithm>
#include <array>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"

namespace transformers::detail {
namespace {

constexpr size_t kMostPatternBytes = size_t{1} << 16;
constexpr unsigned long kMostRetriesPerMatch = 10'000'000;  // the library's own default
constexpr unsigned long kMostRetriesPerSearch = 50'000'000;

struct Property {
  const char* name = nullptr;
  std::array<CodePointClass, 5> classes = {};
  size_t count = 0;
};

// Debian's Oniguruma knows Unicode 14, the reference's Unicode 16: these properties are defined anew.
constexpr Property kProperties[] = {
    {"Han", {CodePointClass::Han}, 1},
    {"L", {CodePointClass::Lu, CodePointClass::Ll, CodePointClass::Lt, CodePointClass::Lm, CodePointClass::Lo}, 5},
    {"Ll", {CodePointClass::Ll}, 1},
    {"Lm", {CodePointClass::Lm}, 1},
    {"Lo", {CodePointClass::Lo}, 1},
    {"Lt", {CodePointClass::Lt}, 1},
    {"Lu", {CodePointClass::Lu}, 1},
    {"M", {CodePointClass::M}, 1},
    {"N", {CodePointClass::N}, 1},
    {"Nd", {CodePointClass::Nd}, 1},
    {"P", {CodePointClass::P}, 1},
    {"S", {CodePointClass::S}, 1},
    {"TransformersWord", {CodePointClass::RegexWord}, 1},
};

// `\w` and `\d` are no properties and cannot be defined anew: they are written as such.
std::string with_own_classes(std::string_view expression) {
  constexpr std::pair<char, std::string_view> kClasses[] = {
      {'D', "\\p{^Nd}"}, {'W', "\\p{^TransformersWord}"}, {'d', "\\p{Nd}"}, {'w', "\\p{TransformersWord}"}};
  std::string out;
  for (size_t i = 0; i < expression.size(); ++i) {
    out += expression[i];
    if (expression[i] != '\\' || i + 1 == expression.size()) continue;
    const char next = expression[++i];
    const auto* const row =
        std::find_if(std::begin(kClasses), std::end(kClasses), [&](const auto& c) { return c.first == next; });
    if (row == std::end(kClasses)) {
      out += next;
    } else {
      out.pop_back();
      out += row->second;
    }
  }
  return out;
}

// The library's form: a count, then first and last of each run, in order and apart.
std::vector<OnigCodePoint> ranges_of(const Property& property) {
  std::vector<CodePointRange> runs;
  for (size_t i = 0; i < property.count; ++i) {
    const auto more = code_points_of(property.classes[i]);
    runs.insert(runs.end(), more.begin(), more.end());
  }
  std::sort(runs.begin(), runs.end(), [](const auto& x, const auto& y) { return x.first < y.first; });
  std::vector<OnigCodePoint> out = {0};
  for (const auto& [first, last] : runs) {
    if (out.size() > 1 && out.back() + 1 == first) {
      out.back() = last;
      continue;
    }
    out.push_back(first);
    out.push_back(last);
  }
  out[0] = static_cast<OnigCodePoint>((out.size() - 1) / 2);
  return out;
}

// Once per process, before the first expression is compiled. The ranges must outlive every expression.
void prepare_library() {
  static const bool done = [] {
    OnigEncoding encodings[] = {ONIG_ENCODING_UTF8};
    onig_initialize(encodings, 1);
    static std::array<std::vector<OnigCodePoint>, std::size(kProperties)> tables;
    for (size_t i = 0; i < std::size(kProperties); ++i) {
      tables[i] = ranges_of(kProperties[i]);
      onig_unicode_define_user_property(kProperties[i].name, tables[i].data());
    }
    return true;
  }();
  (void)done;
}

std::string message_of(int code, const OnigErrorInfo* info) {
  UChar text[ONIG_MAX_ERROR_MESSAGE_LEN];
  const int size = info == nullptr ? onig_error_code_to_str(text, code) : onig_error_code_to_str(text, code, info);
  return {reinterpret_cast<const char*>(text), static_cast<size_t>(size < 0 ? 0 : size)};
}

const UChar* bytes(std::string_view text) { return reinterpret_cast<const UChar*>(text.data()); }

}  // namespace

struct Pattern::Regex {
  regex_t* compiled = nullptr;
  OnigMatchParam* limits = nullptr;
  std::string where = {};
  std::string expression = {};

  Regex(std::string source, std::string origin) : where(std::move(origin)), expression(std::move(source)) {
    if (expression.size() > kMostPatternBytes)
      throw ValueError(str(where, ": the regular expression has ", expression.size(), " bytes, more than 65536"));
    prepare_library();
    OnigErrorInfo info = {};
    const std::string own = with_own_classes(expression);
    const int code = onig_new(&compiled, bytes(own), bytes(own) + own.size(), ONIG_OPTION_NONE, ONIG_ENCODING_UTF8,
                              ONIG_SYNTAX_ONIGURUMA, &info);
    if (code != ONIG_NORMAL)
      throw ValueError(
          str(where, ": the regular expression ", quote(expression), " is malformed: ", message_of(code, &info)));
    limits = onig_new_match_param();
    onig_initialize_match_param(limits);
    onig_set_retry_limit_in_match_of_match_param(limits, kMostRetriesPerMatch);
    onig_set_retry_limit_in_search_of_match_param(limits, kMostRetriesPerSearch);
  }
  ~Regex() {
    if (limits != nullptr) onig_free_match_param(limits);
    if (compiled != nullptr) onig_free(compiled);
  }
  Regex(const Regex&) = delete;
  Regex& operator=(const Regex&) = delete;

  void find(std::string_view text, std::vector<Match>& out) const;
};

void Pattern::Regex::find(std::string_view text, std::vector<Match>& out) const {
  const std::unique_ptr<OnigRegion, void (*)(OnigRegion*)> region(onig_region_new(),
                                                                  [](OnigRegion* r) { onig_region_free(r, 1); });
  const UChar* const begin = bytes(text);
  const UChar* const end = begin + text.size();
  uint32_t at = 0, covered = 0;
  bool has_match = false;
  while (at <= text.size()) {
    const int code =
        onig_search_with_param(compiled, begin, end, begin + at, end, region.get(), ONIG_OPTION_NONE, limits);
    if (code == ONIG_MISMATCH) break;
    if (code < 0)
      throw ValueError(str(where, ": the regular expression ", quote(expression),
                           " gave up on a text: ", message_of(code, nullptr)));
    const auto first = static_cast<uint32_t>(region->beg[0]), last = static_cast<uint32_t>(region->end[0]);
    if (first == last && has_match && covered == last) {  // no empty match right behind a match
      at = last == text.size() ? last + 1 : at + decode_at(text, at).size;
      continue;
    }
    if (covered < first) out.push_back({covered, first, false});
    out.push_back({first, last, true});
    at = covered = last;
    has_match = true;
  }
  if (covered < text.size()) out.push_back({covered, static_cast<uint32_t>(text.size()), false});
}

Pattern::Pattern() = default;
Pattern::~Pattern() = default;
Pattern::Pattern(Pattern&&) noexcept = default;
Pattern& Pattern::operator=(Pattern&&) noexcept = default;

Pattern Pattern::literal(std::string text) {
  if (text.empty()) return regex("", "an empty pattern");
  Pattern pattern;
  pattern.literal_ = std::move(text);
  return pattern;
}

Pattern Pattern::regex(std::string expression, std::string where) {
  Pattern pattern;
  pattern.regex_ = std::make_unique<Regex>(std::move(expression), std::move(where));
  return pattern;
}

Pattern Pattern::from_json(const Fields& fields, std::string_view key) {
  const Fields pattern = fields.child(key);
  if (pattern.find("String") != nullptr) return literal(pattern.text("String"));
  if (pattern.find("Regex") != nullptr) return regex(pattern.text("Regex"), pattern.where());
  fields.fail(key, "must hold 'String' or 'Regex'");
}

void Pattern::find(std::string_view text, std::vector<Match>& out) const {
  if (text.empty()) return out.push_back({0, 0, false});
  return regex_ == nullptr ? find_literal(text, out) : regex_->find(text, out);
}

void Pattern::find_literal(std::string_view text, std::vector<Match>& out) const {
  size_t covered = 0;
  for (size_t at = text.find(literal_); at != std::string_view::npos; at = text.find(literal_, covered)) {
    if (covered < at) out.push_back({static_cast<uint32_t>(covered), static_cast<uint32_t>(at), false});
    covered = at + literal_.size();
    out.push_back({static_cast<uint32_t>(at), static_cast<uint32_t>(covered), true});
  }
  if (covered < text.size()) out.push_back({static_cast<uint32_t>(covered), static_cast<uint32_t>(text.size()), false});
}

}  // namespace transformers::detail
