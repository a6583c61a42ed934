#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace transformers::jinja {

class Interpreter;
struct Expr;
struct Stmt;

/// What a value is. `Missing` marks an absent argument and never reaches a template.
enum class Kind : uint8_t {
  Missing,
  Undefined,
  None,
  Bool,
  Int,
  Float,
  String,
  List,
  Tuple,
  Dict,
  Range,
  View,
  Generator,
  Namespace,
  Macro,
  Loop,
  Method,
  Function,
  Cycler,
  Joiner,
  DictType,
};

/// `counter`, where there is one, holds the bytes of all living texts of a rendering, which outlives them.
struct Text {
  std::string bytes;
  size_t points = 0;
  size_t* counter = nullptr;
  size_t counted = 0;

  Text() = default;
  ~Text() {
    if (counter) *counter -= counted;
  }
  Text(const Text&) = delete;
  Text& operator=(const Text&) = delete;
};

/// Base of everything that a Value points to. The interpreter of one rendering owns all of it, so cycles cannot leak.
struct Object {
  virtual ~Object() = default;
};
struct Array;
struct Dict;

/// A Python-like value. Copies share what they point to.
class Value {
 public:
  Value() : kind_(Kind::Missing), int_(0) {}
  explicit Value(bool value) : kind_(Kind::Bool), int_(value) {}
  explicit Value(int64_t value) : kind_(Kind::Int), int_(value) {}
  explicit Value(double value) : kind_(Kind::Float), double_(value) {}
  explicit Value(std::shared_ptr<const Text> text) : kind_(Kind::String), int_(0), text_(std::move(text)) {}
  Value(Kind kind, Object* object) : kind_(kind), object_(object) {}
  static Value none() { return Value(Kind::None, nullptr); }
  /// `origin` is the expression that yielded nothing, for messages; `is_unsafe` marks what the sandbox hides.
  static Value undefined(const Expr* origin = nullptr, bool is_unsafe = false) {
    Value value;
    value.kind_ = Kind::Undefined;
    value.origin_ = origin;
    value.flag_ = is_unsafe;
    return value;
  }

  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] bool is(Kind kind) const { return kind_ == kind; }
  [[nodiscard]] bool is_missing() const { return kind_ == Kind::Missing; }
  [[nodiscard]] bool is_undefined() const { return kind_ == Kind::Undefined; }
  [[nodiscard]] bool is_none() const { return kind_ == Kind::None; }
  [[nodiscard]] bool is_string() const { return kind_ == Kind::String; }
  [[nodiscard]] bool is_integral() const { return kind_ == Kind::Int || kind_ == Kind::Bool; }
  [[nodiscard]] bool is_number() const { return is_integral() || kind_ == Kind::Float; }
  [[nodiscard]] bool is_array() const { return kind_ == Kind::List || kind_ == Kind::Tuple; }
  [[nodiscard]] bool is_unsafe() const { return flag_; }

  /// Valid for the kinds that hold one; bools count as integers.
  [[nodiscard]] int64_t integer() const { return int_; }
  [[nodiscard]] double number() const { return kind_ == Kind::Float ? double_ : static_cast<double>(int_); }
  [[nodiscard]] const std::string& text() const { return text_->bytes; }
  [[nodiscard]] size_t points() const { return text_->points; }
  [[nodiscard]] bool is_ascii() const { return text_->points == text_->bytes.size(); }
  [[nodiscard]] const Expr* origin() const { return origin_; }
  [[nodiscard]] Object* object() const { return object_; }
  template <class T>
  [[nodiscard]] T& as() const {
    return *static_cast<T*>(object_);
  }
  [[nodiscard]] const std::vector<Value>& items() const;

 private:
  Kind kind_;
  bool flag_ = false;
  union {
    int64_t int_;
    double double_;
    Object* object_;
    const Expr* origin_;
  };
  std::shared_ptr<const Text> text_ = {};
};

/// A list or tuple. `is_group` marks what `groupby` yields: it has the attributes `grouper` and `list`.
struct Array final : Object {
  std::vector<Value> items = {};
  bool is_group = false;
};

inline const std::vector<Value>& Value::items() const { return as<Array>().items; }

/// Keeps the order of insertion; keys compare as Python's do (1, 1.0 and True are one key).
struct Dict final : Object {
  using Item = std::pair<Value, Value>;
  std::vector<Item> items = {};

  [[nodiscard]] const Value* find(Interpreter& in, const Value& key) const;
  [[nodiscard]] const Value* find(std::string_view key) const;
  void set(Interpreter& in, const Value& key, Value value);

 private:
  [[nodiscard]] size_t position(Interpreter& in, const Value& key, size_t hash) const;
  std::unordered_multimap<size_t, size_t> index_ = {};  // only once there are more than a few items
};

struct Range final : Object {
  int64_t start = 0, stop = 0, step = 1;
  [[nodiscard]] int64_t size() const;
};

enum class ViewKind : uint8_t { Keys, Values, Items };
struct View final : Object {
  const Dict* dict = nullptr;
  ViewKind kind = ViewKind::Items;
};

/// A lazy, one-shot sequence. `next` stores the next item and says whether there was one.
struct Generator final : Object {
  std::function<bool(Value&)> next = {};
};

struct NamespaceObject final : Object {
  Dict attributes = {};
};

/// Variables of one scope; scopes see their parents. Names are the parser's numbers for them.
struct Frame {
  std::shared_ptr<Frame> parent = {};
  std::vector<std::pair<int, Value>> slots = {};
};

struct MacroObject final : Object {
  const Stmt* stmt = nullptr;
  std::shared_ptr<Frame> frame = {};
};

/// Steps through any iterable.
class Cursor {
 public:
  Cursor() = default;
  /// Throws when `value` is not iterable.
  Cursor(Interpreter& in, Value value);
  bool next(Interpreter& in, Value& out);

 private:
  Value value_ = {};
  size_t at_ = 0;
};

struct LoopObject final : Object {
  const Stmt* stmt = nullptr;
  std::shared_ptr<Frame> frame = {};
  Value iterable = {};
  Cursor cursor = {};
  std::vector<Value> pending = {};  // taken from the cursor ahead of time, last first
  Value before = {}, current = {}, changed = {};
  int64_t index0 = -1, depth0 = 0, length = -1;
};

struct CyclerObject final : Object {
  std::vector<Value> items = {};
  size_t at = 0;
};

struct JoinerObject final : Object {
  Value separator = {};
  bool used = false;
};

}  // namespace transformers::jinja
