#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "transformers/checkpoint/checkpoint.h"

namespace transformers::detail {

/// Text on a group: one, or a list.
struct Hdf5Attribute {
  std::string name = {};
  std::vector<std::string> values = {};
  bool is_list = true;
};

/// A group, or with `data` a dataset, of a file to be written.
struct Hdf5Node {
  std::map<std::string, std::unique_ptr<Hdf5Node>> members = {};  // in the order that HDF5 demands
  std::vector<Hdf5Attribute> attributes = {};
  const CheckpointWriteEntry* data = nullptr;
  const Hdf5Node* link_to = nullptr;  // then this is no object but a further name of that one
  uint32_t names = 1;                 // of this object

  /// The node at a path of names joined by "/", made with the groups on the way. Throws ValueError when one of them is
  /// a dataset.
  Hdf5Node& make(std::string_view path);
};

/// Most bytes of one attribute; Keras cuts longer lists.
inline constexpr size_t kHdf5MostAttributeBytes = 64512;

/// Writes the tree in HDF5's oldest form, which every reader knows: all structures first, then the data in tree order,
/// aligned to 64 bytes. Nothing is kept in memory but the structures and one tensor. Atomic.
void write_hdf5(const std::filesystem::path& file, Hdf5Node& root);

}  // namespace transformers::detail
