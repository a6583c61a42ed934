#include "transformers/placement/accelerators.h"

#include <ATen/DeviceAccelerator.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <charconv>

#include "transformers/base/files.h"
#include "transformers/base/strings.h"

namespace transformers {

std::optional<c10::DeviceType> accelerator_type() {
  const auto type = at::accelerator::getAccelerator();
  return type && *type != at::kMPS ? type : std::nullopt;
}

bool has_mps() { return at::accelerator::getAccelerator() == at::kMPS; }

int64_t accelerator_count() { return accelerator_type() ? at::accelerator::deviceCount() : 0; }

int64_t accelerator_free_bytes(int64_t index) {
  const auto device = static_cast<c10::DeviceIndex>(index);
  const auto [free, total] = at::accelerator::getMemoryInfo(device);
  auto usable = static_cast<int64_t>(free);
  try {
    const auto stats = at::accelerator::getDeviceStats(device);
    constexpr size_t kAll = 0;  // StatType::AGGREGATE
    usable += stats.reserved_bytes[kAll].current - stats.allocated_bytes[kAll].current;
  } catch (const c10::Error&) {  // an allocator without a cache has nothing in reserve
  }
  return usable;
}

int64_t local_rank() {
  const auto text = environment("LOCAL_RANK");
  int64_t rank = 0;
  std::from_chars(text.data(), text.data() + text.size(), rank);
  return std::max<int64_t>(rank, 0);
}

}  // namespace transformers
