#include "transformers/checkpoint/detail/byte_reader.h"

#include "transformers/base/error.h"
#include "transformers/base/strings.h"

namespace transformers::detail {

void ByteReader::fail_short(uint64_t size_bytes, std::string_view what) const {
  throw OSError(str(*file_, ": ", what, " at byte ", position_, " takes ", size_bytes, " bytes, the file has ",
                    remaining(), " left: it was cut short or is damaged, download it again"));
}

void ByteReader::fail_count(uint64_t count, std::string_view what) const {
  throw OSError(str(*file_, ": announces ", count, " ", what, " at byte ", position_, ", more than fit into the ",
                    remaining(), " bytes left: it was cut short or is damaged, download it again"));
}

}  // namespace transformers::detail
