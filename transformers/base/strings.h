#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace transformers {

namespace detail {
void append(std::string& out, std::string_view text);
void append(std::string& out, int64_t value);
void append(std::string& out, uint64_t value);
void append(std::string& out, double value);
void append(std::string& out, std::span<const int64_t> shape);

template <class T>
void append_any(std::string& out, const T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    append(out, std::string_view(value ? "true" : "false"));
  } else if constexpr (std::is_same_v<T, char>) {
    out += value;
  } else if constexpr (std::is_floating_point_v<T>) {
    append(out, static_cast<double>(value));
  } else if constexpr (std::is_integral_v<T> && std::is_signed_v<T>) {
    append(out, static_cast<int64_t>(value));
  } else if constexpr (std::is_integral_v<T>) {
    append(out, static_cast<uint64_t>(value));
  } else if constexpr (std::is_same_v<T, std::filesystem::path>) {
    append(out, std::string_view(value.native()));
  } else if constexpr (std::is_convertible_v<const T&, std::span<const int64_t>>) {
    append(out, std::span<const int64_t>(value));
  } else {
    append(out, std::string_view(value));
  }
}
}  // namespace detail

/// Concatenates its arguments: text, numbers, bools, paths, and shapes as `[2, 3]`.
template <class... Args>
[[nodiscard]] std::string str(const Args&... args) {
  std::string out;
  (detail::append_any(out, args), ...);
  return out;
}

[[nodiscard]] std::string join(std::span<const std::string> parts, std::string_view separator);
[[nodiscard]] std::string join(std::span<const std::string_view> parts, std::string_view separator);
[[nodiscard]] std::vector<std::string> split(std::string_view text, char separator);
/// True for one decimal digit or more and nothing else.
[[nodiscard]] bool is_digits(std::string_view text);
[[nodiscard]] std::string_view trim(std::string_view text);
[[nodiscard]] std::string to_lower_ascii(std::string_view text);
/// Replaces every occurrence of `from`, which must not be empty.
[[nodiscard]] std::string replace_all(std::string_view text, std::string_view from, std::string_view to);

/// Text in single quotes, control characters escaped and long text cut: safe to put into an error message.
[[nodiscard]] std::string quote(std::string_view text, size_t most = 80);

/// Python's `repr` of a float: shortest digits that read back the same, `1e-05`, `2.0`, `inf`, `nan`.
[[nodiscard]] std::string float_repr(double value);

/// The dotted name of `name` inside `prefix`, which may be empty.
[[nodiscard]] std::string dotted(std::string_view prefix, std::string_view name);

/// Compares dotted names with runs of digits as numbers, so that `layer.2` comes before `layer.10`.
[[nodiscard]] bool natural_less(std::string_view a, std::string_view b);

/// The candidates nearest to `name` by edit distance, best first; at most `most`, none that differ in most letters.
[[nodiscard]] std::vector<std::string> nearest(std::string_view name, std::span<const std::string> candidates,
                                               size_t most = 3);

/// Folds numbered neighbours for people to read: `layers.{0…31}.mlp.bias`. Order of first appearance is kept.
[[nodiscard]] std::vector<std::string> fold_names(std::span<const std::string> names);

/// True when `text` is well-formed UTF-8.
[[nodiscard]] bool is_utf8(std::string_view text);

/// Bytes with a binary unit for people: `1.5 GiB`.
[[nodiscard]] std::string human_bytes(int64_t size_bytes);

}  // namespace transformers
