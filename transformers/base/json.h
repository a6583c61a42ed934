#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace transformers {

/// A JSON value. Objects keep the order of their keys; integers and floating numbers are told apart; text is UTF-8.
class Json {
 public:
  using Array = std::vector<Json>;
  using Object = std::vector<std::pair<std::string, Json>>;
  using array = Array;  // the API spells it so

  Json() = default;
  Json(std::nullptr_t) {}
  Json(bool value) : kind_(Kind::Bool) { payload_.flag = value; }
  Json(int value) : Json(static_cast<int64_t>(value)) {}
  Json(int64_t value) : kind_(Kind::Int) { payload_.integer = value; }
  Json(uint64_t value);  // above int64_t's range: a double
  Json(double value) : kind_(Kind::Double) { payload_.number = value; }
  Json(const char* value) : Json(std::string(value)) {}
  Json(std::string value);
  Json(std::string_view value) : Json(std::string(value)) {}
  Json(Array value);
  Json(Object value);
  Json(const Json& other);
  /// Leaves null behind.
  Json(Json&& other) noexcept
      : kind_(std::exchange(other.kind_, Kind::Null)), payload_(std::exchange(other.payload_, {})) {}
  Json& operator=(Json other) noexcept {
    std::swap(kind_, other.kind_);
    std::swap(payload_, other.payload_);
    return *this;
  }
  ~Json() {
    if (kind_ >= Kind::String) free_payload();
  }

  [[nodiscard]] static Json object() { return Json(Object{}); }
  [[nodiscard]] static Json list() { return Json(Array{}); }

  /// Parses strict JSON. `where` names the source in errors. Throws OSError; nesting is limited to 512 levels.
  [[nodiscard]] static Json parse(std::string_view text, std::string_view where = "JSON");
  /// Reads and parses a file; refuses one larger than `most_bytes` before reading it.
  [[nodiscard]] static Json parse_file(const std::filesystem::path& file, int64_t most_bytes = int64_t{1} << 30);

  [[nodiscard]] bool is_null() const { return kind_ == Kind::Null; }
  [[nodiscard]] bool is_bool() const { return kind_ == Kind::Bool; }
  [[nodiscard]] bool is_int() const { return kind_ == Kind::Int; }
  [[nodiscard]] bool is_double() const { return kind_ == Kind::Double; }
  [[nodiscard]] bool is_number() const { return is_int() || is_double(); }
  [[nodiscard]] bool is_string() const { return kind_ == Kind::String; }
  [[nodiscard]] bool is_array() const { return kind_ == Kind::Array; }
  [[nodiscard]] bool is_object() const { return kind_ == Kind::Object; }
  /// "null", "bool", "int", "float", "string", "list" or "object": for messages.
  [[nodiscard]] std::string_view type_name() const;

  /// Typed access; throws TypeError naming the type found. `as_double` accepts integers. On a temporary the result is
  /// a value of its own, so that `for (const auto& item : load().as_array())` is safe.
  [[nodiscard]] bool as_bool() const;
  [[nodiscard]] int64_t as_int() const;
  [[nodiscard]] double as_double() const;
  [[nodiscard]] const std::string& as_string() const&;
  [[nodiscard]] std::string as_string() &&;
  [[nodiscard]] const Array& as_array() const&;
  [[nodiscard]] Array& as_array() &;
  [[nodiscard]] Array as_array() &&;
  [[nodiscard]] const Object& as_object() const&;
  [[nodiscard]] Object& as_object() &;
  [[nodiscard]] Object as_object() &&;

  /// The value under `key`, or null when this is no object or lacks the key.
  [[nodiscard]] const Json* find(std::string_view key) const&;
  [[nodiscard]] Json* find(std::string_view key) &;
  Json* find(std::string_view key) && = delete;  // would point into what is about to go
  [[nodiscard]] bool contains(std::string_view key) const { return find(key) != nullptr; }
  /// The value under `key`; throws KeyError naming it.
  [[nodiscard]] const Json& at(std::string_view key) const&;
  [[nodiscard]] Json at(std::string_view key) &&;
  /// The value under `key`, added as null when absent; a null value becomes an object first.
  Json& operator[](std::string_view key) &;
  /// Removes `key`; true when it was there.
  bool erase(std::string_view key);
  /// Elements of a list or object; 0 for anything else.
  [[nodiscard]] size_t size() const;
  void push_back(Json value);

  /// The typed value under `key`, or `fallback` when the key is absent or null. Throws TypeError naming the key.
  [[nodiscard]] bool get(std::string_view key, bool fallback) const;
  [[nodiscard]] int64_t get(std::string_view key, int64_t fallback) const;
  [[nodiscard]] int64_t get(std::string_view key, int fallback) const { return get(key, int64_t{fallback}); }
  [[nodiscard]] double get(std::string_view key, double fallback) const;
  [[nodiscard]] std::string get(std::string_view key, const std::string& fallback) const;
  [[nodiscard]] std::string get(std::string_view key, const char* fallback) const {
    return get(key, std::string(fallback));
  }

  struct DumpOptions {
    int indent = -1;              // below 0: one line
    bool sort_keys = false;       // by code point, as Python does
    bool ensure_ascii = false;    // non-ASCII as \uXXXX
    bool python_spacing = false;  // ", " and ": " also on one line
  };
  /// Numbers print as Python's json does (`1e-05`, `1.0`); infinities and NaN as `Infinity`, `-Infinity`, `NaN`.
  [[nodiscard]] std::string dump(const DumpOptions& options) const;
  [[nodiscard]] std::string dump() const { return dump(DumpOptions{}); }

  /// Equal values; key order does not matter, 1 and 1.0 differ.
  bool operator==(const Json& other) const;

 private:
  // In the order of `type_name`. What does not fit into eight bytes lies on the heap: lists of numbers, which files
  // have by the million, take 16 bytes an element.
  enum class Kind : uint8_t { Null, Bool, Int, Double, String, Array, Object };
  union Payload {
    int64_t integer = 0;
    bool flag;
    double number;
    std::string* text;
    Array* list;
    Object* object;
  };
  void free_payload() noexcept;
  [[noreturn]] void fail_type(std::string_view wanted) const;

  Kind kind_ = Kind::Null;
  Payload payload_ = {};
};

}  // namespace transformers
