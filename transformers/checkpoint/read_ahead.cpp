#include "transformers/checkpoint/read_ahead.h"

#include <utility>

namespace transformers {

ReadAhead::ReadAhead(std::shared_ptr<const CheckpointReader> reader, std::vector<const CheckpointEntry*> entries)
    : thread_([reader = std::move(reader), entries = std::move(entries)](const std::stop_token& stop) {
        for (const auto* entry : entries) {
          if (stop.stop_requested()) return;
          reader->prefetch(*entry);
        }
      }) {}

}  // namespace transformers
