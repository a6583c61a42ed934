#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "transformers/checkpoint/detail/byte_reader.h"
#include "transformers/dtypes/dtypes.h"

namespace transformers::detail {

inline constexpr uint64_t kHdf5Undefined = ~uint64_t{0};  // an address of nothing
inline constexpr uint64_t kHdf5MostRank = 32;

// Message types of object headers.
inline constexpr uint16_t kHdf5Dataspace = 1, kHdf5LinkInfo = 2, kHdf5Datatype = 3, kHdf5FillValue = 5,
                          kHdf5LinkMessage = 6, kHdf5ExternalFiles = 7, kHdf5Layout = 8, kHdf5Filters = 11,
                          kHdf5AttributeMessage = 12, kHdf5Continuation = 16, kHdf5SymbolTable = 17,
                          kHdf5AttributeInfo = 21;

struct Hdf5Number {
  DataType dtype = DataType::F32;
  bool is_big_endian = false;
};

/// The element type of a dataset or an attribute.
struct Hdf5Type {
  enum class Kind { Number, FixedText, VariableText, Other };
  Kind kind = Kind::Other;
  Hdf5Number number = {};
  uint32_t size = 0;             // bytes of an element
  bool is_space_padded = false;  // of FixedText
  std::string_view what = {};    // of Other: what it is, for messages
};

/// Reads a datatype message to its end.
[[nodiscard]] Hdf5Type read_hdf5_type(ByteReader& in);
/// The message that h5py writes for a type; empty for one that HDF5 has no agreed form for.
[[nodiscard]] std::string hdf5_number_message(DataType dtype);

/// Undoes deflate; false when `from` does not unpack to exactly the size of `to`.
[[nodiscard]] bool inflate_exactly(std::span<const std::byte> from, std::span<std::byte> to);
/// Undoes shuffle, which stores the first bytes of all elements, then the second ones, and so on.
void unshuffle(std::span<const std::byte> from, size_t element_bytes, std::span<std::byte> to);

}  // namespace transformers::detail
