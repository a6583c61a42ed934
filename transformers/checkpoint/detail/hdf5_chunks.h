#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "transformers/checkpoint/detail/hdf5.h"

namespace transformers::detail {

/// The chunks of one dataset: its tree is walked once to check it and again to read. Lives as long as its arguments.
class Hdf5Chunks {
 public:
  Hdf5Chunks(const Hdf5File& file, const Hdf5Dataset& dataset, std::string_view name);

  /// Throws OSError unless every chunk is there exactly once and no larger than its stored bytes can be unpacked to.
  /// Returns the steps that it took.
  uint64_t check() const;
  void read(std::span<std::byte> target) const;

 private:
  struct Chunk {
    std::span<const std::byte> stored = {};
    uint32_t skipped = 0;                 // bit i: filter i was not applied
    std::vector<uint64_t> position = {};  // of its first element
  };
  using Visit = std::function<void(const Chunk&)>;

  void walk(uint64_t node, int level, uint64_t& steps_left, const Visit& visit) const;
  uint64_t walk_all(const Visit& visit) const;
  [[nodiscard]] uint64_t chunk_number(const Chunk& chunk) const;
  [[nodiscard]] std::vector<std::byte> unpacked(const Chunk& chunk) const;
  void scatter(const Chunk& chunk, std::span<const std::byte> data, std::span<std::byte> target) const;
  [[noreturn]] void fail(std::string_view reason) const;

  const Hdf5File& file_;
  const Hdf5Dataset& dataset_;
  std::string_view name_;
  const std::filesystem::path& path_;
  size_t rank_ = 0;
  uint64_t element_bytes_ = 0, chunk_bytes_ = 0, count_ = 1;
};

}  // namespace transformers::detail
