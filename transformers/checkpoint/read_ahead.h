#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "transformers/checkpoint/checkpoint.h"

namespace transformers {

/// Has the system read entries of a checkpoint into its cache, in the order given, while others already work with them:
/// a mapped page that is touched before it is there brings little more than itself, and so a cold file costs many times
/// what its bytes do. The reading is done by a thread of its own that ends with the last entry, or with this object.
class ReadAhead {
 public:
  /// `entries` are those of `reader`.
  ReadAhead(std::shared_ptr<const CheckpointReader> reader, std::vector<const CheckpointEntry*> entries);
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

 private:
  std::jthread thread_;
};

}  // namespace transformers
