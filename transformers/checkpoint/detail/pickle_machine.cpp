#include "transformers/checkpoint/detail/pickle_machine.h"

#include <array>
#include <utility>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/detail/byte_reader.h"

namespace transformers::detail {

std::span<const PickleRef> Pickle::items(const PickleNode& node) const {
  if (node.count == 0) return {};
  if (node.kind == PickleKind::List || node.kind == PickleKind::Dict) return containers_[node.value];
  if (node.kind == PickleKind::Tuple || node.kind == PickleKind::Storage || node.kind == PickleKind::Tensor)
    return std::span(pool_).subspan(node.value, node.count);
  return {};
}

std::string_view Pickle::text(const PickleNode& node) const {
  if (node.kind != PickleKind::Text && node.kind != PickleKind::BigInt && node.kind != PickleKind::Global) return {};
  return {reinterpret_cast<const char*>(file_bytes_.data()) + node.value, node.count};
}

// No recursion anywhere: the stack is a vector, nesting costs a byte of the file per level.
class PickleMachine {
 public:
  PickleMachine(std::span<const std::byte> file_bytes, uint64_t begin, uint64_t end, const std::filesystem::path& file)
      : file_(file), begin_(begin), size_(end - begin), in_(file_bytes.subspan(begin, end - begin), file) {
    out_.file_bytes_ = file_bytes;
    none_ = add({.kind = PickleKind::None});
    false_ = add({.kind = PickleKind::Bool});
    true_ = add({.kind = PickleKind::Bool, .value = 1});
    empty_tuple_ = add({.kind = PickleKind::Tuple});
    opaque_ = add({.kind = PickleKind::Opaque});
  }

  Pickle run() {
    while (step()) {
    }
    out_.root_ = pop();
    if (!stack_.empty()) fail("leaves values behind");
    out_.end_ = here();
    return std::move(out_);
  }

 private:
  using Run = void (*)(PickleMachine&);
  using Table = std::array<Run, 256>;

  [[nodiscard]] uint64_t here() const { return begin_ + in_.position(); }

  [[noreturn]] void fail(std::string_view reason) const {
    throw OSError(str(file_, ": the pickle ", reason, " at byte ", op_at_,
                      ": it was cut short or is damaged, download it again"));
  }
  [[noreturn]] void refuse_object(std::string_view how) const {
    throw ValueError(str(file_, ": the pickle ", how, " at byte ", op_at_,
                         ", which is code and not weights; refuse it or load safetensors"));
  }

  bool step() {
    op_at_ = here();
    const auto code = in_.read<uint8_t>("the pickle's next opcode");
    if (code == '.') return false;
    const auto run_op = table()[code];
    if (!run_op) fail(str("has the unknown opcode ", int{code}));
    run_op(*this);
    return true;
  }

  static const Table& table();

  PickleRef add(const PickleNode& node) {
    if (out_.nodes_.size() > 0xfffffff0) fail("describes more than 2^32 values");
    out_.nodes_.push_back(node);
    return static_cast<PickleRef>(out_.nodes_.size() - 1);
  }
  void push(const PickleNode& node) { stack_.push_back(add(node)); }
  void push_int(int64_t value) { push({.kind = PickleKind::Int, .value = static_cast<uint64_t>(value)}); }
  void push_text(uint64_t size_bytes, PickleKind kind = PickleKind::Text) {
    const uint64_t at = here();
    static_cast<void>(in_.take(size_bytes, "a text of the pickle"));
    if (size_bytes > 0xffffffff) fail("has a text of more than 4 GiB");
    push({.kind = kind, .count = static_cast<uint32_t>(size_bytes), .value = at});
  }

  [[nodiscard]] size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  PickleRef pop() {
    if (stack_.size() <= floor()) fail("takes a value that is not there");
    const auto top = stack_.back();
    stack_.pop_back();
    return top;
  }
  PickleRef& top() {
    if (stack_.size() <= floor()) fail("takes a value that is not there");
    return stack_.back();
  }
  // The values above the last mark, which goes; they stay on the stack for the caller to drop.
  std::span<const PickleRef> above_mark() {
    if (marks_.empty()) fail("takes a mark that is not there");
    const size_t from = marks_.back();
    marks_.pop_back();
    return std::span(stack_).subspan(from);
  }
  void drop(size_t count) { stack_.resize(stack_.size() - count); }

  PickleRef add_tuple(std::span<const PickleRef> items) {
    if (items.empty()) return empty_tuple_;
    const uint64_t at = out_.pool_.size();
    out_.pool_.insert(out_.pool_.end(), items.begin(), items.end());
    return add({.kind = PickleKind::Tuple, .count = static_cast<uint32_t>(items.size()), .value = at});
  }
  void make_tuple(size_t count) {
    if (stack_.size() - floor() < count) fail("takes a value that is not there");
    const auto made = add_tuple(std::span(stack_).last(count));
    drop(count);
    stack_.push_back(made);
  }

  void extend(PickleRef target, std::span<const PickleRef> items) {
    auto& node = out_.nodes_[target];
    if (items.empty()) return;
    if (node.count == 0) {
      node.value = out_.containers_.size();
      out_.containers_.emplace_back();
    }
    auto& container = out_.containers_[node.value];
    container.insert(container.end(), items.begin(), items.end());
    node.count = static_cast<uint32_t>(container.size());
  }
  // Adds the `count` topmost values to what lies below them. A set's and a Counter's values are dropped.
  void add_items(size_t count, PickleKind kind) {
    if (stack_.size() - floor() < count) fail("takes a value that is not there");
    const std::vector<PickleRef> items(stack_.end() - static_cast<std::ptrdiff_t>(count), stack_.end());
    drop(count);
    const auto target = top();
    if (out_.nodes_[target].kind == PickleKind::Opaque) return;
    if (out_.nodes_[target].kind != kind) fail("adds items to what holds none");
    if (kind == PickleKind::Dict && count % 2 != 0) fail("adds a key without a value");
    extend(target, items);
  }
  void make_container(PickleKind kind) {
    const auto count = above_mark().size();
    const auto made = add({.kind = kind});
    stack_.insert(stack_.end() - static_cast<std::ptrdiff_t>(count), made);
    add_items(count, kind);
  }

  void store(uint64_t slot) {
    // An honest writer numbers its values in order, so a number is below the count of opcodes.
    if (slot >= size_) fail(str("stores the value ", slot, " of at most ", size_));
    const auto value = top();
    if (slot >= memo_.size()) memo_.resize(slot + 1, kUnset);
    memo_[slot] = value;
  }
  void recall(uint64_t slot) {
    if (slot >= memo_.size() || memo_[slot] == kUnset) fail(str("recalls the value ", slot, ", which it never stored"));
    stack_.push_back(memo_[slot]);
  }
  void memoize() {
    store(memoized_);
    ++memoized_;
  }

  std::string_view line() {
    std::string_view rest(reinterpret_cast<const char*>(out_.file_bytes_.data()) + here(), in_.remaining());
    const auto end = rest.substr(0, kMostNameBytes).find('\n');
    if (end == rest.npos) fail("has a name without an end");
    static_cast<void>(in_.take(end + 1, "a name"));
    return rest.substr(0, end);
  }
  void push_global(std::string_view module, std::string_view name) {
    auto node = pickle_global(module, name, op_at_, file_);
    node.count = static_cast<uint32_t>(name.size());
    node.value = static_cast<uint64_t>(name.data() - reinterpret_cast<const char*>(out_.file_bytes_.data()));
    push(node);
  }
  void global() {
    const auto module = line();
    push_global(module, line());
  }
  void stack_global() {
    const auto name = pop(), module = pop();
    if (out_[name].kind != PickleKind::Text || out_[module].kind != PickleKind::Text) fail("names no text as a class");
    push_global(out_.text(out_[module]), out_.text(out_[name]));
  }

  void reduce() {
    const auto arguments = pop();
    const auto function = pop();
    stack_.push_back(apply(function, arguments, false));
  }

  // Makes our own node, and only that, for a name of the allow-list.
  PickleRef apply(PickleRef function, PickleRef arguments, bool is_inner) {
    const auto& callee = out_[function];
    if (callee.kind != PickleKind::Global) refuse_object("calls what is no function");
    if (out_[arguments].kind != PickleKind::Tuple) fail("calls a function with what is no tuple");
    const auto items = out_.items(out_[arguments]);
    switch (callee.global) {
      case PickleGlobal::OrderedDict: return ordered_dict(items);
      case PickleGlobal::Tensor: return tensor(arguments);
      case PickleGlobal::FirstArgument:
        if (items.empty()) fail("rebuilds a value from nothing");
        return items[0];
      case PickleGlobal::FromType:
        if (is_inner || items.size() < 3) fail("rebuilds a tensor from what is none");
        return apply(items[0], items[2], true);
      case PickleGlobal::Opaque: return opaque_;
      default: refuse_object(str("makes an object of ", quote(out_.text(callee))));
    }
  }

  PickleRef tensor(PickleRef arguments) {
    auto node = out_[arguments];
    if (node.count < 4) fail("rebuilds a tensor from too little");
    node.kind = PickleKind::Tensor;
    return add(node);
  }

  // Python 2 wrote the pairs as an argument.
  PickleRef ordered_dict(std::span<const PickleRef> arguments) {
    std::vector<PickleRef> items;
    if (!arguments.empty()) {
      const auto pairs = out_.items(out_[arguments[0]]);
      // One list could be named again and again; each honest pair is copied once and takes more than a byte.
      if ((copied_ += pairs.size()) > size_) fail("makes dicts of more pairs than it holds");
      for (const auto pair : pairs) {
        const auto both = out_.items(out_[pair]);
        if (both.size() != 2) fail("makes a dict of what are no pairs");
        items.insert(items.end(), both.begin(), both.end());
      }
    }
    const auto made = add({.kind = PickleKind::Dict});
    extend(made, items);
    return made;
  }

  // Attributes of a state dict (`_metadata`), which no tensor needs.
  void build() {
    static_cast<void>(pop());
    if (out_[top()].kind != PickleKind::Dict) refuse_object("sets the state of an object that is no dict");
  }

  void persistent_id() {
    const auto id = pop();
    auto node = out_[id];
    const auto items = out_.items(node);
    if (node.kind != PickleKind::Tuple || items.size() < 5 || out_.text(out_[items[0]]) != "storage")
      fail("refers to data outside it by what is no storage");
    node.kind = PickleKind::Storage;
    push(node);
  }

  void long_int(uint64_t size_bytes) {
    if (size_bytes > 8) return push_text(size_bytes, PickleKind::BigInt);
    const auto bytes = in_.take(size_bytes, "a number of the pickle");
    uint64_t value = 0;
    for (size_t i = 0; i < bytes.size(); ++i) value |= static_cast<uint64_t>(bytes[i]) << 8 * i;
    const unsigned unused = 64 - 8 * static_cast<unsigned>(size_bytes);
    if (size_bytes > 0) value = static_cast<uint64_t>(static_cast<int64_t>(value << unused) >> unused);
    push_int(static_cast<int64_t>(value));
  }

  template <class T>
  T number() {
    return in_.read<T>("a number of the pickle");
  }

  static constexpr PickleRef kUnset = ~PickleRef{0};
  static constexpr size_t kMostNameBytes = 4096;

  const std::filesystem::path& file_;
  uint64_t begin_ = 0, size_ = 0, op_at_ = 0, memoized_ = 0, copied_ = 0;
  ByteReader in_;
  Pickle out_;
  std::vector<PickleRef> stack_, memo_;
  std::vector<size_t> marks_;
  PickleRef none_ = 0, false_ = 0, true_ = 0, empty_tuple_ = 0, opaque_ = 0;
};

// The opcodes of protocols 2 to 5 that hold data, those of 0 and 1 that cost nothing, and those that would make
// objects, to say so.
const PickleMachine::Table& PickleMachine::table() {
  using M = PickleMachine;
  constexpr std::pair<uint8_t, Run> kOps[] = {
      {0x80, [](M& m) { static_cast<void>(m.number<uint8_t>()); }},   // PROTO
      {0x95, [](M& m) { static_cast<void>(m.number<uint64_t>()); }},  // FRAME: a hint
      {'(', [](M& m) { m.marks_.push_back(m.stack_.size()); }},
      {'0', [](M& m) { static_cast<void>(m.pop()); }},
      {'1', [](M& m) { m.drop(m.above_mark().size()); }},
      {'2', [](M& m) { m.stack_.push_back(m.top()); }},
      {'N', [](M& m) { m.stack_.push_back(m.none_); }},
      {0x88, [](M& m) { m.stack_.push_back(m.true_); }},
      {0x89, [](M& m) { m.stack_.push_back(m.false_); }},
      {'J', [](M& m) { m.push_int(m.number<int32_t>()); }},
      {'K', [](M& m) { m.push_int(m.number<uint8_t>()); }},
      {'M', [](M& m) { m.push_int(m.number<uint16_t>()); }},
      {0x8a, [](M& m) { m.long_int(m.number<uint8_t>()); }},
      {0x8b, [](M& m) { m.long_int(m.number<uint32_t>()); }},
      {'G', [](M& m) { m.number<uint64_t>(), m.stack_.push_back(m.opaque_); }},  // a float
      {'X', [](M& m) { m.push_text(m.number<uint32_t>()); }},
      {'T', [](M& m) { m.push_text(m.number<uint32_t>()); }},
      {'U', [](M& m) { m.push_text(m.number<uint8_t>()); }},
      {'B', [](M& m) { m.push_text(m.number<uint32_t>()); }},
      {'C', [](M& m) { m.push_text(m.number<uint8_t>()); }},
      {0x8c, [](M& m) { m.push_text(m.number<uint8_t>()); }},
      {0x8d, [](M& m) { m.push_text(m.number<uint64_t>()); }},
      {0x8e, [](M& m) { m.push_text(m.number<uint64_t>()); }},
      {0x96, [](M& m) { m.push_text(m.number<uint64_t>()); }},
      {')', [](M& m) { m.stack_.push_back(m.empty_tuple_); }},
      {0x85, [](M& m) { m.make_tuple(1); }},
      {0x86, [](M& m) { m.make_tuple(2); }},
      {0x87, [](M& m) { m.make_tuple(3); }},
      {'t', [](M& m) { m.make_tuple(m.above_mark().size()); }},
      {']', [](M& m) { m.push({.kind = PickleKind::List}); }},
      {'}', [](M& m) { m.push({.kind = PickleKind::Dict}); }},
      {0x8f, [](M& m) { m.stack_.push_back(m.opaque_); }},  // an empty set
      {'l', [](M& m) { m.make_container(PickleKind::List); }},
      {'d', [](M& m) { m.make_container(PickleKind::Dict); }},
      {'a', [](M& m) { m.add_items(1, PickleKind::List); }},
      {'e', [](M& m) { m.add_items(m.above_mark().size(), PickleKind::List); }},
      {0x90, [](M& m) { m.add_items(m.above_mark().size(), PickleKind::List); }},  // to a set
      {0x91, [](M& m) { m.drop(m.above_mark().size()), m.stack_.push_back(m.opaque_); }},
      {'s', [](M& m) { m.add_items(2, PickleKind::Dict); }},
      {'u', [](M& m) { m.add_items(m.above_mark().size(), PickleKind::Dict); }},
      {'q', [](M& m) { m.store(m.number<uint8_t>()); }},
      {'r', [](M& m) { m.store(m.number<uint32_t>()); }},
      {0x94, [](M& m) { m.memoize(); }},
      {'h', [](M& m) { m.recall(m.number<uint8_t>()); }},
      {'j', [](M& m) { m.recall(m.number<uint32_t>()); }},
      {'c', [](M& m) { m.global(); }},
      {0x93, [](M& m) { m.stack_global(); }},
      {'R', [](M& m) { m.reduce(); }},
      {'b', [](M& m) { m.build(); }},
      {'Q', [](M& m) { m.persistent_id(); }},
      {'i', [](M& m) { m.global(), m.refuse_object("makes an object"); }},
      {'o', [](M& m) { m.refuse_object("makes an object"); }},
      {0x81, [](M& m) { m.refuse_object("makes an object"); }},
      {0x92, [](M& m) { m.refuse_object("makes an object"); }},
      {0x82, [](M& m) { m.refuse_object("calls an extension"); }},
      {0x83, [](M& m) { m.refuse_object("calls an extension"); }},
      {0x84, [](M& m) { m.refuse_object("calls an extension"); }},
  };
  static const Table table = [&] {
    Table by_code{};
    for (const auto& [code, run] : kOps) by_code[code] = run;
    return by_code;
  }();
  return table;
}

Pickle read_pickle(std::span<const std::byte> file_bytes, uint64_t begin, uint64_t end,
                   const std::filesystem::path& file) {
  return PickleMachine(file_bytes, begin, end, file).run();
}

}  // namespace transformers::detail
