#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "transformers/base/json.h"

namespace transformers::detail {

/// A JSON object of a tokenizer file, read field by field. Every failure is a ValueError that names the file, the
/// component and the field.
class Fields {
 public:
  Fields(const Json& json, std::string where);

  [[nodiscard]] const std::string& where() const { return where_; }
  [[nodiscard]] const Json& json() const { return json_; }
  /// Null when absent or JSON null.
  [[nodiscard]] const Json* find(std::string_view key) const;
  [[nodiscard]] const Json& require(std::string_view key) const;
  [[nodiscard]] std::string type() const { return text("type"); }

  [[nodiscard]] std::string text(std::string_view key) const;
  [[nodiscard]] std::string text(std::string_view key, std::string_view fallback) const;
  [[nodiscard]] bool flag(std::string_view key) const;
  [[nodiscard]] bool flag(std::string_view key, bool fallback) const;
  /// A whole number from 0 to 2^32 - 1.
  [[nodiscard]] int64_t number(std::string_view key) const;
  [[nodiscard]] int64_t number(std::string_view key, int64_t fallback) const;
  /// A text of exactly one character.
  [[nodiscard]] char32_t character(std::string_view key) const;
  [[nodiscard]] const Json::Array& list(std::string_view key) const;
  [[nodiscard]] Fields child(std::string_view key) const;
  /// The elements of a list of components, each named `where.key[i]`.
  [[nodiscard]] std::vector<Fields> children(std::string_view key) const;

  [[noreturn]] void fail(std::string_view key, std::string_view what) const;

 private:
  const Json& json_;
  std::string where_;
};

/// A token id: a whole number from 0 to 2^32 - 1, as in the reference.
[[nodiscard]] std::optional<uint32_t> as_token_id(const Json& json);

}  // namespace transformers::detail
