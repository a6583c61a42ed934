#include <algorithm>
#include <limits>

#include "transformers/base/strings.h"
#include "transformers/checkpoint/detail/hdf5.h"
#include "transformers/checkpoint/detail/hdf5_chunks.h"

namespace transformers::detail {
namespace {

constexpr std::string_view kWhat = "a dataset";
constexpr int kCompact = 0, kContiguous = 1, kChunked = 2, kVirtual = 3;
constexpr uint16_t kDeflate = 1, kShuffle = 2;

}  // namespace

Hdf5Dataset Hdf5File::dataset(uint64_t object, std::string_view name) {
  const auto found = messages(object);
  if (find_message(found, kHdf5ExternalFiles, name))
    fail(str(quote(name), " keeps its data in other files, which are never opened"));
  const auto* layout = find_message(found, kHdf5Layout, name);
  const auto* type = find_message(found, kHdf5Datatype, name);
  const auto* space = find_message(found, kHdf5Dataspace, name);
  if (!layout || !type || !space) fail(str(quote(name), " is no dataset"));
  Hdf5Dataset out;
  auto in = at(type->offset, type->size, "a datatype");
  const auto element = read_hdf5_type(in);
  if (element.kind != Hdf5Type::Kind::Number) fail(str(quote(name), " holds ", element.what, ", which are no weights"));
  out.number = element.number;
  out.shape = dimensions(*space, name);
  const auto size = byte_count(out.number.dtype, out.shape);
  if (!size) fail(str(quote(name), " has the impossible shape ", out.shape));
  out.size_bytes = static_cast<uint64_t>(*size);
  if (const auto* filters = find_message(found, kHdf5Filters, name)) read_filters(*filters, out, name);
  read_layout(*layout, out, name);
  return out;
}

std::vector<int64_t> Hdf5File::dimensions(const Message& message, std::string_view name) const {
  auto in = at(message.offset, message.size, kWhat);
  const auto version = in.read<uint8_t>(kWhat), rank = in.read<uint8_t>(kWhat);
  static_cast<void>(in.read<uint8_t>(kWhat));  // whether the greatest sizes follow
  const auto type = in.read<uint8_t>(kWhat);
  if (version != 1 && version != 2) fail(str(quote(name), " has a shape of an unknown version"));
  if (rank > kHdf5MostRank) fail(str(quote(name), " has ", uint64_t{rank}, " dimensions"));
  if (version == 1) static_cast<void>(in.read<uint32_t>(kWhat));
  if (version == 2 && type == 2) fail(str(quote(name), " has no shape"));
  std::vector<int64_t> out;
  for (int i = 0; i < rank; ++i) {
    const auto dim = in.read<uint64_t>(kWhat);
    if (dim > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
      fail(str(quote(name), " has a dimension of ", dim));
    out.push_back(static_cast<int64_t>(dim));
  }
  return out;
}

void Hdf5File::read_filters(const Message& message, Hdf5Dataset& out, std::string_view name) const {
  auto in = at(message.offset, message.size, kWhat);
  const auto version = in.read<uint8_t>(kWhat), count = in.read<uint8_t>(kWhat);
  if (version != 1 && version != 2) fail(str(quote(name), " has filters of an unknown version"));
  if (version == 1) static_cast<void>(in.take(6, kWhat));
  for (int i = 0; i < count; ++i) {
    const auto id = in.read<uint16_t>(kWhat);
    if (id != kDeflate && id != kShuffle)
      fail(str(quote(name), " went through the filter ", uint64_t{id},
               "; only gzip and shuffle are supported: save it without a filter"));
    const uint64_t name_bytes = version == 1 ? in.read<uint16_t>(kWhat) : 0;
    static_cast<void>(in.read<uint16_t>(kWhat));  // flags
    const uint64_t values = in.read<uint16_t>(kWhat);
    static_cast<void>(in.take((name_bytes + 7) / 8 * 8, kWhat));
    static_cast<void>(in.take(4 * (values + (version == 1 ? values % 2 : 0)), kWhat));
    out.filters.push_back(id);
  }
}

void Hdf5File::read_layout(const Message& message, Hdf5Dataset& out, std::string_view name) {
  auto in = at(message.offset, message.size, kWhat);
  const int version = in.read<uint8_t>(kWhat);
  if (version == 1 || version == 2) return read_old_layout(in, out, name);
  if (version != 3 && version != 4) fail(str(quote(name), " has a layout of an unknown version"));
  const int kind = in.read<uint8_t>(kWhat);
  if (kind == kVirtual) fail(str(quote(name), " is a view of other datasets, which are never opened"));
  uint64_t size = 0;
  if (kind == kCompact) {
    size = in.read<uint16_t>(kWhat);
    out.offset = in.position();
  } else if (kind == kContiguous) {
    out.offset = in.read<uint64_t>(kWhat);
    size = in.read<uint64_t>(kWhat);
  } else if (kind == kChunked && version == 3) {
    out.is_chunked = true;
    const int dims = in.read<uint8_t>(kWhat);
    out.offset = in.read<uint64_t>(kWhat);
    for (int i = 0; i < dims; ++i) out.chunk.push_back(in.read<uint32_t>(kWhat));
    return check_chunks(out, name);
  } else {
    fail(str(quote(name), " has chunks in an order that is not supported: save it with h5py's default libver"));
  }
  if (out.size_bytes == 0) return;
  if (out.offset == kHdf5Undefined) fail(str(quote(name), " was never written, it has a shape and no data"));
  if (size != out.size_bytes) fail(str(quote(name), " has ", size, " bytes, its shape takes ", out.size_bytes));
  static_cast<void>(at(out.offset, size, quote(name)));
}

void Hdf5File::read_old_layout(ByteReader& in, Hdf5Dataset& out, std::string_view name) {
  const int dims = in.read<uint8_t>(kWhat), kind = in.read<uint8_t>(kWhat);
  static_cast<void>(in.take(5, kWhat));
  if (kind > kChunked) fail(str(quote(name), " has a layout of an unknown kind"));
  if (kind != kCompact) out.offset = in.read<uint64_t>(kWhat);
  std::vector<uint64_t> sizes;
  sizes.reserve(static_cast<size_t>(dims));
  for (int i = 0; i < dims; ++i) sizes.push_back(in.read<uint32_t>(kWhat));
  if (kind == kChunked) {
    out.is_chunked = true;
    out.chunk = std::move(sizes);
    return check_chunks(out, name);
  }
  if (kind == kCompact) {
    const uint64_t size = in.read<uint32_t>(kWhat);
    if (size != out.size_bytes) fail(str(quote(name), " has ", size, " bytes, its shape takes ", out.size_bytes));
    out.offset = in.position();
  }
  if (out.size_bytes == 0) return;
  if (out.offset == kHdf5Undefined) fail(str(quote(name), " was never written, it has a shape and no data"));
  static_cast<void>(at(out.offset, out.size_bytes, quote(name)));
}

// Every chunk must be there once, and no tensor be larger than its stored bytes can unpack to.
void Hdf5File::check_chunks(const Hdf5Dataset& dataset, std::string_view name) {
  if (dataset.size_bytes > 0) spend(16 * Hdf5Chunks(*this, dataset, name).check());
}

void Hdf5File::read(const Hdf5Dataset& dataset, std::string_view name, std::span<std::byte> target) const {
  if (dataset.is_chunked) {
    Hdf5Chunks(*this, dataset, name).read(target);
  } else {
    std::copy_n(bytes().begin() + static_cast<std::ptrdiff_t>(dataset.offset), target.size(), target.begin());
  }
  const auto width = static_cast<size_t>(info(dataset.number.dtype).block_bytes);
  if (dataset.number.is_big_endian)
    for (size_t i = 0; i + width <= target.size(); i += width)
      std::reverse(target.begin() + static_cast<std::ptrdiff_t>(i),
                   target.begin() + static_cast<std::ptrdiff_t>(i + width));
}

}  // namespace transformers::detail
