#include "transformers/checkpoint/detail/torch_state.h"

#include <algorithm>
#include <optional>
#include <unordered_set>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"

namespace transformers::detail {
namespace {

constexpr size_t kMostDims = 16;  // torch allows 64, weights have six at most
constexpr size_t kMostKeyBytes = 256;
// Where trainers put the state dict when they save more than it.
constexpr std::string_view kWrappers[] = {"state_dict", "model_state_dict", "model", "module"};

uint64_t element_bytes(uint8_t dtype) { return static_cast<uint64_t>(info(static_cast<DataType>(dtype)).block_bytes); }

class StateReader {
 public:
  StateReader(const Pickle& pickle, const std::filesystem::path& file) : pickle_(pickle), file_(file) {}

  TorchState read() {
    const auto& root = pickle_.root();
    if (root.kind != PickleKind::Dict)
      throw ValueError(
          str(file_, ": holds ", what_is(root), ", expected a dict from names to tensors; save a state_dict"));
    const PickleNode* dict = &root;
    if (!has_tensors(root) && root.count > 0) dict = &find_wrapped(root);
    const auto items = pickle_.items(*dict);
    for (size_t i = 0; i + 1 < items.size(); i += 2) read_item(pickle_[items[i]], pickle_[items[i + 1]]);
    return std::move(out_);
  }

 private:
  [[nodiscard]] std::string_view what_is(const PickleNode& node) const {
    switch (node.kind) {
      case PickleKind::Tensor: return "one tensor without a name";
      case PickleKind::List: return "a list";
      case PickleKind::Tuple: return "a tuple";
      case PickleKind::Text: return "a text";
      default: return "a single value";
    }
  }

  [[nodiscard]] bool has_tensors(const PickleNode& dict) const {
    const auto items = pickle_.items(dict);
    for (size_t i = 1; i < items.size(); i += 2)
      if (pickle_[items[i]].kind == PickleKind::Tensor) return true;
    return false;
  }

  const PickleNode& find_wrapped(const PickleNode& root) {
    const PickleNode* found = nullptr;
    std::vector<std::string> keys;
    const auto items = pickle_.items(root);
    for (size_t i = 0; i + 1 < items.size(); i += 2) {
      const auto key = pickle_.text(pickle_[items[i]]);
      if (keys.size() < 10) keys.push_back(quote(key));
      const auto& value = pickle_[items[i + 1]];
      const bool fits = std::find(std::begin(kWrappers), std::end(kWrappers), key) != std::end(kWrappers) &&
                        value.kind == PickleKind::Dict && key != out_.wrapped_in && has_tensors(value);
      if (!fits) continue;
      if (found)
        throw ValueError(str(file_, ": holds several state dicts, under ", quote(out_.wrapped_in), " and ", quote(key),
                             "; save the one that is meant alone"));
      found = &value;
      out_.wrapped_in = key;
    }
    if (!found)
      throw ValueError(str(file_, ": has no tensors at the top and no state dict under a usual name, only ",
                           join(keys, ", "), root.count / 2 > keys.size() ? ", …" : "", "; save the state dict alone"));
    return *found;
  }

  void read_item(const PickleNode& key, const PickleNode& value) {
    const auto name = pickle_.text(key);
    if (key.kind != PickleKind::Text) return;  // no name, so no weight
    if (!names_.insert(name).second) fail(name, "occurs twice");
    if (!is_utf8(name) || name.find('\0') != std::string_view::npos)
      fail(name, "has a name that is not UTF-8 or holds a NUL");
    if (value.kind != PickleKind::Tensor) return out_.unread.push_back(name);
    out_.tensors.push_back(read_tensor(name, pickle_.items(value)));
  }

  [[noreturn]] void fail(std::string_view name, std::string_view reason) const {
    throw OSError(str(file_, ": the entry ", quote(name), " ", reason, ": the file is damaged, download it again"));
  }

  // Arguments: storage, offset, sizes, strides, requires_grad, hooks, then a dtype (v3), then metadata.
  TorchTensor read_tensor(std::string_view name, std::span<const PickleRef> arguments) const {
    const auto& storage = pickle_[arguments[0]];
    if (storage.kind != PickleKind::Storage || pickle_[arguments[1]].kind != PickleKind::Int)
      fail(name, "is rebuilt from something else than a storage");
    TorchTensor out{.name = name,
                    .dtype = read_dtype(name, storage, arguments),
                    .shape = read_numbers(name, pickle_[arguments[2]]),
                    .strides = read_numbers(name, pickle_[arguments[3]]),
                    .first = static_cast<int64_t>(pickle_[arguments[1]].value),
                    .storage = read_torch_storage(pickle_, storage, file_)};
    if (out.shape.size() != out.strides.size() || out.first < 0) fail(name, "has a layout that is none");
    add_view(name, storage, out);
    return out;
  }

  DataType read_dtype(std::string_view name, const PickleNode& storage, std::span<const PickleRef> arguments) const {
    const PickleNode* type = &pickle_[pickle_.items(storage)[1]];
    if (arguments.size() > 6 && pickle_[arguments[6]].kind == PickleKind::Global) type = &pickle_[arguments[6]];
    if (type->kind != PickleKind::Global ||
        (type->global != PickleGlobal::Storage && type->global != PickleGlobal::Dtype))
      fail(name, "has a dtype that is none");
    if (type->is_untyped) return DataType::U8;
    if (type->dtype == PickleNode::kNoDtype)
      throw ValueError(str(file_, ": the tensor ", quote(name), " is of torch.", pickle_.text(*type),
                           ", which this version does not read; save it in another dtype"));
    return static_cast<DataType>(type->dtype);
  }

  std::vector<int64_t> read_numbers(std::string_view name, const PickleNode& node) const {
    if (node.kind != PickleKind::Tuple && node.kind != PickleKind::List) fail(name, "has a layout that is none");
    const auto items = pickle_.items(node);
    if (items.size() > kMostDims) fail(name, str("has ", items.size(), " dimensions"));
    std::vector<int64_t> out;
    out.reserve(items.size());
    for (const auto item : items) {
      const auto value = static_cast<int64_t>(pickle_[item].value);
      if (pickle_[item].kind != PickleKind::Int || value < 0) fail(name, "has a size or stride that is no count");
      out.push_back(value);
    }
    return out;
  }

  // The older form could refer to a part of another storage: (key, first element, count).
  void add_view(std::string_view name, const PickleNode& storage, TorchTensor& out) const {
    const auto id = pickle_.items(storage);
    if (id.size() < 6 || pickle_[id[5]].kind == PickleKind::None) return;
    const auto view = pickle_.items(pickle_[id[5]]);
    if (view.size() != 3 || pickle_[view[1]].kind != PickleKind::Int) fail(name, "is a view of no storage");
    const auto begin = static_cast<int64_t>(pickle_[view[1]].value);
    if (begin < 0 || __builtin_add_overflow(out.first, begin, &out.first)) fail(name, "is a view of no storage");
  }

  const Pickle& pickle_;
  const std::filesystem::path& file_;
  TorchState out_;
  std::unordered_set<std::string_view> names_;
};

}  // namespace

TorchState read_torch_state(const Pickle& pickle, const std::filesystem::path& file) {
  return StateReader(pickle, file).read();
}

TorchStorage read_torch_storage(const Pickle& pickle, const PickleNode& node, const std::filesystem::path& file) {
  const auto id = pickle.items(node);
  const auto& type = pickle[id[1]];
  const auto& count = pickle[id[4]];
  TorchStorage out{.key = pickle.text(pickle[id[2]])};
  const bool is_typed = type.kind == PickleKind::Global && type.global == PickleGlobal::Storage;
  if (!is_typed || pickle[id[2]].kind != PickleKind::Text || out.key.size() > kMostKeyBytes ||
      count.kind != PickleKind::Int || static_cast<int64_t>(count.value) < 0)
    throw OSError(str(file, ": the pickle refers to the storage ", quote(out.key),
                      " in a way that torch.save does not: the file is damaged, download it again"));
  if (!type.is_untyped && type.dtype == PickleNode::kNoDtype)
    throw ValueError(str(file, ": holds a torch.", pickle.text(type), ", which this version does not read"));
  const uint64_t element = type.is_untyped ? 1 : element_bytes(type.dtype);
  if (__builtin_mul_overflow(count.value, element, &out.size_bytes))
    throw OSError(str(file, ": the storage ", quote(out.key), " has ", count.value, " elements, more than fit"));
  return out;
}

}  // namespace transformers::detail
