#include "transformers/tokenizers/detail/unicode_forms.h"

#include <algorithm>
#include <vector>

#include "transformers/tokenizers/detail/unicode.h"

namespace transformers::detail {
namespace {

// `change` follows Rewriter::emit; it travels with its character when marks are reordered, as in the reference.
struct Unit {
  char32_t c = 0;
  int32_t change = 0;
  uint8_t ccc = 0;
};

// Canonical composition, unit by unit; all units but those since the last starter are on their way already. A composed
// character takes up the changes of both parts, less one.
class Composer {
 public:
  explicit Composer(Rewriter& out) : out_(out) {}
  void push(const Unit& unit) {
    if (pending_.empty() && unit.ccc != 0) return out_.emit(unit.c, unit.change);  // no starter yet
    const bool is_blocked = pending_.size() > 1 && pending_.back().ccc >= unit.ccc;
    const char32_t composed = pending_.empty() || is_blocked ? 0 : compose(pending_[0].c, unit.c);
    if (composed != 0) {
      pending_[0].c = composed;
      pending_[0].change += unit.change - 1;
      return;
    }
    if (unit.ccc == 0) flush();
    pending_.push_back(unit);
  }
  void flush() {
    for (const auto& unit : pending_) out_.emit(unit.c, unit.change);
    pending_.clear();
  }

 private:
  Rewriter& out_;
  std::vector<Unit> pending_ = {};  // a starter and marks that did not compose with it
};

// Decomposes, and calls `take` with the units in canonical order.
template <class Take>
void decompose_text(std::string_view text, bool compatible, const Take& take) {
  std::vector<Unit> marks;  // the present run
  const auto flush = [&] {
    std::stable_sort(marks.begin(), marks.end(), [](const Unit& a, const Unit& b) { return a.ccc < b.ccc; });
    for (const auto& mark : marks) take(mark);
    marks.clear();
  };
  const auto push = [&](char32_t c, bool first) {
    const Unit unit{c, first ? 0 : 1, combining_class(c)};
    if (unit.ccc != 0) return marks.push_back(unit);
    if (!marks.empty()) flush();
    take(unit);
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
  flush();
}

}  // namespace

NormalizedText to_unicode_form(const NormalizedText& source, Arena& arena, const UnicodeFormOptions& options) {
  if (is_ascii(source.text)) return source;
  Rewriter out(source, arena, source.text.size() * 2 + 16);
  if (options.compose) {
    Composer composer(out);
    decompose_text(source.text, options.compatible, [&](const Unit& unit) { composer.push(unit); });
    composer.flush();
  } else {
    decompose_text(source.text, options.compatible, [&](const Unit& unit) { out.emit(unit.c, unit.change); });
  }
  return out.finish();
}

}  // namespace transformers::detail
