#include "transformers/base/size.h"

#include <charconv>
#include <cmath>
#include <limits>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"

namespace transformers {

static int64_t parse_text(const std::string& text) {
  constexpr std::pair<std::string_view, int64_t> units[] = {
      {"tib", int64_t{1} << 40}, {"gib", int64_t{1} << 30}, {"mib", int64_t{1} << 20}, {"kib", int64_t{1} << 10},
      {"tb", 1'000'000'000'000}, {"gb", 1'000'000'000},     {"mb", 1'000'000},         {"kb", 1'000}};
  const auto refuse = [&](std::string_view why) {
    throw ValueError(str("the size ", quote(text), " ", why,
                         "; write a positive number and TB, GB, MB, KB, TiB, GiB, MiB or KiB, such as '5GB'"));
  };
  const auto lower = to_lower_ascii(trim(text));
  double number = 0;
  const auto [rest, code] = std::from_chars(lower.data(), lower.data() + lower.size(), number);
  if (code != std::errc{}) refuse("does not begin with a number");
  const auto unit = trim(std::string_view(rest, static_cast<size_t>(lower.data() + lower.size() - rest)));
  for (const auto& [name, factor] : units) {
    if (unit != name) continue;
    const double bytes = number * static_cast<double>(factor);
    if (!(bytes >= 1)) refuse("is not positive");
    if (bytes > static_cast<double>(std::numeric_limits<int64_t>::max() / 2)) refuse("is too large");
    return static_cast<int64_t>(bytes);
  }
  refuse(unit.empty() ? "has no unit" : "has an unknown unit");
  return 0;
}

int64_t parse_size(const ByteSize& size) {
  if (const auto* text = std::get_if<std::string>(&size)) return parse_text(*text);
  const int64_t bytes = std::get<int64_t>(size);
  if (bytes <= 0)
    throw ValueError(str("the size ", bytes, " is not positive; give a number of bytes or text such as '5GB'"));
  return bytes;
}

}  // namespace transformers
