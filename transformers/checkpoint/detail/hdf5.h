#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "transformers/base/files.h"
#include "transformers/checkpoint/detail/byte_reader.h"
#include "transformers/checkpoint/detail/hdf5_types.h"

namespace transformers::detail {

/// What a name in a group stands for. Only hard links lead on; the others name something outside of the tree.
struct Hdf5Link {
  enum class Kind { Hard, Soft, External };
  std::string_view name = {};
  Kind kind = Kind::Hard;
  uint64_t object = 0;  // address of a hard link's object
};

/// The array of a dataset and where its bytes lie.
struct Hdf5Dataset {
  Hdf5Number number = {};
  std::vector<int64_t> shape = {};
  uint64_t size_bytes = 0;
  bool is_chunked = false;
  uint64_t offset = 0;                 // in the file; for chunks the address of their tree
  std::vector<uint64_t> chunk = {};    // shape of one chunk
  std::vector<uint16_t> filters = {};  // of each chunk, in the order in which the writer applied them

  /// True when the bytes can be used where they lie.
  [[nodiscard]] bool is_one_run() const { return !is_chunked && !number.is_big_endian; }
};

/// Reads the part of HDF5 that Keras and h5py write: superblocks 0 to 3, groups of both kinds (the newer unless kept in
/// a fractal heap), attributes of text, datasets of numbers that are compact, contiguous or in chunks under deflate and
/// shuffle. Nothing outside of the file is ever opened. An own reader, because weights come from strangers: all
/// lengths, addresses and links are checked against the file before they are used, and the total work is bounded by
/// its size. Throws OSError naming the file and the place; methods are not safe for several threads, but `read` is.
class Hdf5File {
 public:
  explicit Hdf5File(std::shared_ptr<const MappedFile> mapped);

  [[nodiscard]] uint64_t root() const { return root_; }
  /// The links of a group in the order of the file; empty for a dataset.
  [[nodiscard]] const std::vector<Hdf5Link>& links(uint64_t group);
  /// The object at a path of names joined by "/"; empty when there is none. Refuses links that leave the tree.
  [[nodiscard]] std::optional<uint64_t> find(uint64_t group, std::string_view path);
  /// The texts of an attribute, one or a list; empty when there is none or it is no text.
  [[nodiscard]] std::optional<std::vector<std::string_view>> texts(uint64_t object, std::string_view attribute);
  [[nodiscard]] bool is_dataset(uint64_t object);
  /// `name` is for messages.
  [[nodiscard]] Hdf5Dataset dataset(uint64_t object, std::string_view name);
  /// Fills `target` with the little-endian row-major bytes.
  void read(const Hdf5Dataset& dataset, std::string_view name, std::span<std::byte> target) const;

  [[nodiscard]] const std::filesystem::path& path() const { return mapped_->path(); }
  [[nodiscard]] std::span<const std::byte> bytes() const { return mapped_->bytes(); }
  [[noreturn]] void fail(std::string_view reason) const;
  /// Counts work against a budget of the file's size: one whose parts refer to each other in clever ways cannot keep us
  /// busy. Throws when it is used up.
  void spend(uint64_t steps);

 private:
  struct Message {
    uint16_t type = 0;
    bool is_shared = false;  // its content lies in another object
    uint64_t offset = 0, size = 0;
  };
  struct Block {
    uint64_t offset = 0, size = 0;
  };
  struct Attribute {
    std::string_view name = {};
    Hdf5Type type = {};
    uint64_t count = 0;
    uint64_t offset = 0, size = 0;  // of the value
  };

  void read_superblock();
  [[nodiscard]] ByteReader at(uint64_t offset, uint64_t size, std::string_view what) const;

  [[nodiscard]] std::vector<Message> messages(uint64_t object);
  void read_block(const Block& block, int version, bool has_order, std::vector<Message>& out, std::vector<Block>& more);
  [[nodiscard]] const Message* find_message(std::span<const Message> messages, uint16_t type,
                                            std::string_view what) const;
  [[nodiscard]] std::vector<int64_t> dimensions(const Message& message, std::string_view name) const;
  void read_layout(const Message& message, Hdf5Dataset& out, std::string_view name);
  void read_old_layout(ByteReader& in, Hdf5Dataset& out, std::string_view name);
  void read_filters(const Message& message, Hdf5Dataset& out, std::string_view name) const;
  void check_chunks(const Hdf5Dataset& dataset, std::string_view name);

  void add_table_links(uint64_t tree, uint64_t heap, std::vector<Hdf5Link>& out);
  void add_tree_links(uint64_t node, int level, std::span<const std::byte> names, std::vector<Hdf5Link>& out);
  void add_node_links(uint64_t node, std::span<const std::byte> names, std::vector<Hdf5Link>& out);
  void add_link(const Message& message, std::vector<Hdf5Link>& out);
  void refuse_heap(const Message& message, int flag_bytes, std::string_view what) const;

  [[nodiscard]] Attribute read_attribute(const Message& message);
  [[nodiscard]] std::string_view heap_text(ByteReader& reference);

  std::shared_ptr<const MappedFile> mapped_;
  uint64_t root_ = 0;
  uint64_t steps_left_ = 0;
  std::unordered_map<uint64_t, std::vector<Hdf5Link>> groups_;
  std::unordered_map<uint64_t, std::unordered_map<uint32_t, std::string_view>> heaps_;
};

}  // namespace transformers::detail
