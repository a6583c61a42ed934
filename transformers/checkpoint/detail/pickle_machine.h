#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "transformers/dtypes/dtypes.h"

namespace transformers::detail {

enum class PickleKind : uint8_t {
  None,
  Bool,
  Int,
  BigInt,  // its little-endian bytes
  Text,    // also Python 2's byte strings
  Tuple,
  List,
  Dict,     // keys and values by turns
  Global,   // a class, function, or dtype of the allow-list
  Storage,  // the persistent id of one: "storage", type, key, location, count of elements
  Tensor,   // the arguments it is rebuilt from: storage, offset, sizes, strides, …
  Opaque,   // a harmless value that holds no weights: a float, a set, a device, …
};

/// What a name of the allow-list stands for.
enum class PickleGlobal : uint8_t {
  OrderedDict,
  Tensor,         // rebuilds one
  FirstArgument,  // a parameter or torch.Size: stands for what it wraps
  FromType,       // rebuilds a tensor from another entry of the list
  Opaque,         // makes a harmless value
  Class,          // only named, never made
  Storage,        // a storage type; `dtype` of the node, or untyped
  Dtype,
};

/// An index into the values of a Pickle.
using PickleRef = uint32_t;

struct PickleNode {
  static constexpr uint8_t kNoDtype = 0xff;

  PickleKind kind = PickleKind::None;
  PickleGlobal global = PickleGlobal::Class;
  uint8_t dtype = kNoDtype;  // a DataType; none for untyped storage and for types that the table lacks
  bool is_untyped = false;
  uint32_t count = 0;  // of items, or bytes of text
  uint64_t value = 0;  // integer, offset of text in the file, or place of items
};

/// The values that one pickle describes. Nothing in it was called: a tensor is the list of numbers that says where its
/// bytes are. Takes at most some 40 times the bytes of the pickle.
class Pickle {
 public:
  [[nodiscard]] const PickleNode& operator[](PickleRef ref) const { return nodes_[ref]; }
  [[nodiscard]] const PickleNode& root() const { return nodes_[root_]; }
  [[nodiscard]] const std::deque<PickleNode>& nodes() const { return nodes_; }
  /// Of a tuple, list, dict, storage or tensor.
  [[nodiscard]] std::span<const PickleRef> items(const PickleNode& node) const;
  /// Of a text, big integer or global (its name without the module); "" for other kinds.
  [[nodiscard]] std::string_view text(const PickleNode& node) const;
  /// The first byte of the file behind this pickle.
  [[nodiscard]] uint64_t end() const { return end_; }

 private:
  friend class PickleMachine;
  std::span<const std::byte> file_bytes_ = {};
  std::deque<PickleNode> nodes_ = {};
  std::vector<PickleRef> pool_ = {};                    // items of what cannot change
  std::deque<std::vector<PickleRef>> containers_ = {};  // of lists and dicts that are not empty
  PickleRef root_ = 0;
  uint64_t end_ = 0;
};

/// Reads the pickle at bytes [begin, end) of a mapped file. Only the opcodes and names of an allow-list are known,
/// those that torch.load(weights_only=True) accepts and a file of weights needs; none runs anything. Throws ValueError
/// for a name outside the list, giving it and its byte, and OSError for what is damaged.
[[nodiscard]] Pickle read_pickle(std::span<const std::byte> file_bytes, uint64_t begin, uint64_t end,
                                 const std::filesystem::path& file);

/// What a name in a pickle stands for: `node`, complete but for its text. Throws ValueError for one outside the list.
[[nodiscard]] PickleNode pickle_global(std::string_view module, std::string_view name, uint64_t at,
                                       const std::filesystem::path& file);

}  // namespace transformers::detail
