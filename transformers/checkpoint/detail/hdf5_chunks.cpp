#include "transformers/checkpoint/detail/hdf5_chunks.h"

#include <algorithm>
#include <bit>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"

namespace transformers::detail {
namespace {

constexpr std::string_view kWhat = "a tree of chunks";
constexpr uint64_t kMostExpansion = 1032;  // deflate cannot do better
constexpr uint16_t kDeflate = 1;

}  // namespace

void Hdf5Chunks::fail(std::string_view reason) const { file_.fail(str(quote(name_), " ", reason)); }

Hdf5Chunks::Hdf5Chunks(const Hdf5File& file, const Hdf5Dataset& dataset, std::string_view name)
    : file_(file), dataset_(dataset), name_(name), path_(file.path()), rank_(dataset.shape.size()) {
  element_bytes_ = static_cast<uint64_t>(info(dataset.number.dtype).block_bytes);
  const auto& chunk = dataset.chunk;
  if (chunk.size() != rank_ + 1 || chunk.back() != element_bytes_ || rank_ == 0)
    fail("has chunks of another rank or type than itself");
  chunk_bytes_ = 1;
  for (const uint64_t dim : chunk)
    if (dim == 0 || __builtin_mul_overflow(chunk_bytes_, dim, &chunk_bytes_)) fail("has chunks of an impossible shape");
  for (size_t i = 0; i < rank_; ++i)
    count_ *= (static_cast<uint64_t>(dataset.shape[i]) + chunk[i] - 1) / chunk[i];  // at most the number of elements
}

uint64_t Hdf5Chunks::walk_all(const Visit& visit) const {
  if (dataset_.offset == kHdf5Undefined) fail("was never written, it has a shape and no data");
  const uint64_t most_steps = 64 + file_.bytes().size() / 24;  // each step reads that many bytes that no other reads
  uint64_t steps_left = most_steps;
  walk(dataset_.offset, -1, steps_left, visit);
  return most_steps - steps_left;
}

// NOLINTNEXTLINE(misc-no-recursion): the level falls by one in each call
void Hdf5Chunks::walk(uint64_t node, int level, uint64_t& steps_left, const Visit& visit) const {
  const auto all = file_.bytes();
  const auto at = [&](uint64_t offset, uint64_t size) {
    if (offset > all.size() || size > all.size() - offset)
      fail(str("has ", kWhat, " or a chunk of ", size, " bytes at byte ", offset, ", outside of the file: it was cut ",
               "short or is damaged, download it again"));
    return ByteReader(all.subspan(offset, size), path_);
  };
  auto in = at(node, 24);
  if (in.text(4, kWhat) != "TREE" || in.read<uint8_t>(kWhat) != 1) fail(str("has no tree of chunks at byte ", node));
  const int found = in.read<uint8_t>(kWhat);
  if (level >= 0 && found != level) fail("has a tree of chunks with a wrong level");
  const uint64_t used = in.read<uint16_t>(kWhat), key_bytes = 8 + 8 * (rank_ + 1);
  in = at(node + 24, used * (key_bytes + 8) + key_bytes);
  Chunk chunk;
  for (uint64_t i = 0; i < used; ++i) {
    if (steps_left-- == 0) fail("has more chunks than the file can hold");
    const uint64_t size = in.read<uint32_t>(kWhat);
    chunk.skipped = in.read<uint32_t>(kWhat);
    chunk.position.clear();
    for (size_t k = 0; k < rank_; ++k) chunk.position.push_back(in.read<uint64_t>(kWhat));
    static_cast<void>(in.read<uint64_t>(kWhat));  // inside an element: 0
    const auto child = in.read<uint64_t>(kWhat);
    if (found > 0) {
      walk(child, found - 1, steps_left, visit);
      continue;
    }
    chunk.stored = at(child, size).take(size, kWhat);
    visit(chunk);
  }
}

uint64_t Hdf5Chunks::chunk_number(const Chunk& chunk) const {
  uint64_t number = 0;
  for (size_t i = 0; i < rank_; ++i) {
    const uint64_t dim = dataset_.chunk[i], size = static_cast<uint64_t>(dataset_.shape[i]);
    if (chunk.position[i] % dim != 0 || chunk.position[i] >= size) fail("has a chunk at a place where none can be");
    number = number * ((size + dim - 1) / dim) + chunk.position[i] / dim;
  }
  return number;
}

uint64_t Hdf5Chunks::check() const {
  const uint64_t file_bytes = file_.bytes().size();
  if (count_ > file_bytes / 24) fail(str("needs ", count_, " chunks, more than the file can hold"));
  std::vector<bool> seen(count_);
  uint64_t number = 0, stored = 0;
  const uint64_t steps = walk_all([&](const Chunk& chunk) {
    const auto at = chunk_number(chunk);
    if (seen[at]) fail("has a chunk twice");
    seen[at] = true;
    ++number;
    stored += chunk.stored.size();
    const bool is_packed = std::any_of(dataset_.filters.begin(), dataset_.filters.end(),
                                       [](uint16_t filter) { return filter == kDeflate; });
    const uint64_t most = is_packed ? kMostExpansion * chunk.stored.size() : chunk.stored.size();
    if (chunk_bytes_ > most)
      fail(str("has a chunk of ", chunk.stored.size(), " bytes that is to unpack to ", chunk_bytes_));
  });
  if (number != count_) fail(str("has ", number, " of its ", count_, " chunks: the others were never written"));
  if (stored > file_bytes) fail("has chunks that lie over each other");
  return steps;
}

std::vector<std::byte> Hdf5Chunks::unpacked(const Chunk& chunk) const {
  std::vector<std::byte> data(chunk.stored.begin(), chunk.stored.end());
  for (size_t i = dataset_.filters.size(); i-- > 0;) {
    if (i < 32 && (chunk.skipped >> i & 1) != 0) continue;
    std::vector<std::byte> before(dataset_.filters[i] == kDeflate ? chunk_bytes_ : data.size());
    if (dataset_.filters[i] != kDeflate)
      unshuffle(data, element_bytes_, before);
    else if (!inflate_exactly(data, before))
      fail("has a chunk that does not unpack to its size: it is damaged, download it again");
    data = std::move(before);
  }
  if (data.size() != chunk_bytes_) fail(str("has a chunk of ", data.size(), " bytes, expected ", chunk_bytes_));
  return data;
}

// Row by row along the last dimension, cut where the tensor ends within the chunk.
void Hdf5Chunks::scatter(const Chunk& chunk, std::span<const std::byte> data, std::span<std::byte> target) const {
  std::vector<uint64_t> extent(rank_), index(rank_, 0);
  for (size_t i = 0; i < rank_; ++i)
    extent[i] = std::min(dataset_.chunk[i], static_cast<uint64_t>(dataset_.shape[i]) - chunk.position[i]);
  const uint64_t row_bytes = extent[rank_ - 1] * element_bytes_;
  for (;;) {
    uint64_t from = 0, to = 0;
    for (size_t i = 0; i < rank_; ++i) {
      from = from * dataset_.chunk[i] + index[i];
      to = to * static_cast<uint64_t>(dataset_.shape[i]) + chunk.position[i] + index[i];
    }
    const auto row = data.subspan(from * element_bytes_, row_bytes);
    std::copy(row.begin(), row.end(), target.begin() + static_cast<std::ptrdiff_t>(to * element_bytes_));
    size_t dim = rank_ - 1;
    while (dim > 0 && ++index[dim - 1] == extent[dim - 1]) index[--dim] = 0;
    if (dim == 0) return;
  }
}

void Hdf5Chunks::read(std::span<std::byte> target) const {
  walk_all([&](const Chunk& chunk) { scatter(chunk, unpacked(chunk), target); });
}

}  // namespace transformers::detail
