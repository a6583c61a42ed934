#include "transformers/checkpoint/read_ahead.h"

#include <system_error>
#include <utility>

namespace transformers {

ReadAhead::ReadAhead(std::shared_ptr<const CheckpointReader> reader, std::vector<const CheckpointEntry*> entries) {
  auto work = [reader = std::move(reader), entries = std::move(entries)](const std::stop_token& stop) {
    for (const auto* entry : entries) {
      if (stop.stop_requested()) return;
      reader->advise(*entry, Advice::WillNeed);
    }
  };
  try {
    thread_ = std::jthread(std::move(work));
  } catch (const std::system_error&) {
    // No more threads to be had: the pages come when they are touched.
  }
}

}  // namespace transformers
