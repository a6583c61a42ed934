#include "transformers/pretrained/detail/expression.h"

#include <oniguruma.h>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"

namespace transformers::detail {

namespace {

constexpr size_t kMostPatternBytes = size_t{1} << 14;
// Steps back in one call. Names have a hundred letters: whoever needs more than this never ends.
constexpr unsigned long kMostRetries = 100'000;

const OnigUChar* bytes(std::string_view text) { return reinterpret_cast<const OnigUChar*>(text.data()); }

std::shared_ptr<void> compile(const std::string& pattern, const std::string& what) {
  static const bool ready = [] {
    OnigEncoding encodings[] = {ONIG_ENCODING_UTF8};
    return onig_initialize(encodings, 1) == ONIG_NORMAL;
  }();
  if (!ready || pattern.size() > kMostPatternBytes || !is_utf8(pattern))
    throw ValueError(str(what, ": the expression ", quote(pattern), " is too long or no UTF-8"));
  regex_t* compiled = nullptr;
  OnigErrorInfo info{};
  const int code = onig_new(&compiled, bytes(pattern), bytes(pattern) + pattern.size(), ONIG_OPTION_NONE,
                            ONIG_ENCODING_UTF8, ONIG_SYNTAX_PYTHON, &info);
  if (code == ONIG_NORMAL) return {compiled, [](void* regex) { onig_free(static_cast<regex_t*>(regex)); }};
  OnigUChar text[ONIG_MAX_ERROR_MESSAGE_LEN];
  const int size = onig_error_code_to_str(text, code, &info);
  throw ValueError(str(what, ": ", quote(pattern), " is no regular expression: ",
                       std::string_view(reinterpret_cast<const char*>(text), static_cast<size_t>(size))));
}

OnigMatchParam* limits() {
  static OnigMatchParam* const param = [] {  // read only from here on; lives as long as the program
    auto* made = onig_new_match_param();
    onig_initialize_match_param(made);
    onig_set_retry_limit_in_match_of_match_param(made, kMostRetries);
    onig_set_retry_limit_in_search_of_match_param(made, kMostRetries);
    return made;
  }();
  return param;
}

}  // namespace

Expression::Expression(std::string pattern, std::string what)
    : pattern_(std::move(pattern)), what_(std::move(what)), compiled_(compile(pattern_, what_)) {}

Expression Expression::of_all(const std::string& pattern, const std::string& what) {
  Expression own(pattern, what);  // also so that a lone parenthesis is not completed by ours
  own.compiled_ = compile(str("(?:", pattern, ")\\Z"), what);
  return own;
}

int Expression::groups() const { return onig_number_of_captures(static_cast<regex_t*>(compiled_.get())); }

bool Expression::run(std::string_view text, size_t from, Where where, Groups* groups) const {
  auto* regex = static_cast<regex_t*>(compiled_.get());
  const std::unique_ptr<OnigRegion, void (*)(OnigRegion*)> region(onig_region_new(),
                                                                  [](OnigRegion* r) { onig_region_free(r, 1); });
  const auto *begin = bytes(text), *end = begin + text.size();
  const int at =
      where == Where::Anywhere
          ? onig_search_with_param(regex, begin, end, begin + from, end, region.get(), ONIG_OPTION_NONE, limits())
          : onig_match_with_param(regex, begin, end, begin, region.get(), ONIG_OPTION_NONE, limits());
  if (at < ONIG_MISMATCH)
    throw ValueError(str(what_, ": ", quote(pattern_), " takes too long on ", quote(text), "; write it more strictly"));
  if (at < 0 || !groups) return at >= 0;
  groups->clear();
  const auto position = [](int offset) { return offset < 0 ? std::string::npos : static_cast<size_t>(offset); };
  for (int i = 0; i < region->num_regs; ++i) groups->emplace_back(position(region->beg[i]), position(region->end[i]));
  return true;
}

bool Expression::search(std::string_view text, size_t from, Groups& groups) const {
  return run(text, from, Where::Anywhere, &groups);
}

bool Expression::matches_start(std::string_view text) const { return run(text, 0, Where::Start, nullptr); }

bool Expression::matches_start(std::string_view text, Groups& groups) const {
  return run(text, 0, Where::Start, &groups);
}

}  // namespace transformers::detail
