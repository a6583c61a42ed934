#include "transformers/checkpoint/detail/proto_reader.h"

#include <limits>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/detail/varint.h"

namespace transformers::detail {
namespace {

enum Kind : unsigned { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

}  // namespace

void ProtoReader::fail(std::string_view reason) const {
  throw OSError(str(file_, ": ", quote(what_), " ", reason, ": it is damaged, download it again"));
}

void ProtoReader::expect(unsigned kind) const {
  if (kind_ != kind) fail(str("has the field ", field_, " in wire type ", kind_, ", expected ", kind));
}

bool ProtoReader::next() {
  if (rest_.empty()) return false;
  const auto tag = take_varint(rest_);
  if (!tag || *tag >> 3 == 0) fail("has a field without a number");
  field_ = *tag >> 3;
  kind_ = static_cast<unsigned>(*tag & 7);
  if (kind_ == kVarint) {
    const auto value = take_varint(rest_);
    if (!value) fail(str("has a field ", field_, " that is cut short"));
    number_ = *value;
    return true;
  }
  uint64_t size = kind_ == kFixed64 ? 8 : 4;
  if (kind_ == kBytes)
    size = take_varint(rest_).value_or(std::numeric_limits<uint64_t>::max());
  else if (kind_ != kFixed64 && kind_ != kFixed32)
    fail(str("has the field ", field_, " in the unknown wire type ", kind_));
  if (size > rest_.size()) fail(str("has a field ", field_, " that is cut short"));
  bytes_ = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return true;
}

uint64_t ProtoReader::varint() const {
  expect(kVarint);
  return number_;
}

int64_t ProtoReader::size() const {
  const uint64_t value = varint();
  if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
    fail(str("has a negative number in field ", field_));
  return static_cast<int64_t>(value);
}

uint32_t ProtoReader::fixed32() const {
  expect(kFixed32);
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value |= uint32_t{static_cast<uint8_t>(bytes_[i])} << (8 * i);
  return value;
}

std::string_view ProtoReader::bytes() const {
  expect(kBytes);
  return bytes_;
}

}  // namespace transformers::detail
