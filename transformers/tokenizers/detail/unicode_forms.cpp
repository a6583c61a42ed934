#include "transformers/tokenizers/detail/unicode_forms.h"

#include <algorithm>
#include <vector>

#include "transformers/tokenizers/detail/unicode.h"

namespace transformers::detail {
namespace {

// `change` follows Rewriter::emit; it travels with its character when marks are reordered, as in the reference.
struct Unit {
  char32_t c = 0;
  int64_t change = 0;
  uint8_t ccc = 0;
};

std::vector<Unit> decomposed(std::string_view text, bool compatible) {
  std::vector<Unit> out;
  out.reserve(text.size());
  size_t run = 0;  // where the present run of marks begins
  const auto sort_run = [&] {
    std::stable_sort(out.begin() + static_cast<std::ptrdiff_t>(run), out.end(),
                     [](const Unit& a, const Unit& b) { return a.ccc < b.ccc; });
  };
  const auto push = [&](char32_t c, bool first) {
    const uint8_t ccc = combining_class(c);
    if (ccc == 0) {
      sort_run();
      run = out.size() + 1;
    }
    out.push_back({c, first ? 0 : 1, ccc});
  };
  for (size_t at = 0; at < text.size();) {
    const auto [c, size] = decode_at(text, at);
    at += size;
    if (c < 0xA0) {
      push(c, true);
      continue;
    }
    bool first = true;
    for (const char32_t d : decompose(c, compatible)) {
      push(d, first);
      first = false;
    }
  }
  run = std::min(run, out.size());
  sort_run();
  return out;
}

// Canonical composition in place. A composed character takes up the changes of both parts, less one.
void compose_units(std::vector<Unit>& units) {
  size_t size = 0;
  size_t starter = units.size();  // none yet
  uint8_t last = 0;
  bool has_last = false;  // a mark stands between the starter and here
  for (size_t i = 0; i < units.size(); ++i) {
    const Unit unit = units[i];
    if (starter == units.size()) {
      if (unit.ccc == 0) starter = size;
      units[size++] = unit;
      continue;
    }
    const bool is_blocked = has_last && last >= unit.ccc;
    const char32_t composed = is_blocked ? 0 : compose(units[starter].c, unit.c);
    if (composed != 0) {
      units[starter].c = composed;
      units[starter].change += unit.change - 1;
      continue;
    }
    has_last = unit.ccc != 0;
    last = unit.ccc;
    if (unit.ccc == 0) starter = size;
    units[size++] = unit;
  }
  units.resize(size);
}

}  // namespace

NormalizedText to_unicode_form(const NormalizedText& source, Arena& arena, const UnicodeFormOptions& options) {
  if (is_ascii(source.text)) return source;
  auto units = decomposed(source.text, options.compatible);
  if (options.compose) compose_units(units);
  Rewriter out(source, arena, source.text.size() * 2 + 16);
  for (const auto& unit : units) out.emit(unit.c, unit.change);
  return out.finish();
}

}  // namespace transformers::detail
