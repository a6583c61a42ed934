#include "transformers/placement/accelerators.h"

#include <ATen/DeviceAccelerator.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <charconv>

#include "transformers/base/error.h"
#include "transformers/base/files.h"
#include "transformers/base/strings.h"

namespace transformers {

namespace {

// The first number of a small system file; absent when there is none ("max").
std::optional<int64_t> number_in(const char* file) {
  try {
    const auto text = read_text(file, 4096);
    int64_t value = 0;
    const auto trimmed = trim(text);
    const auto [end, error] = std::from_chars(trimmed.data(), trimmed.data() + trimmed.size(), value);
    if (error == std::errc() && end != trimmed.data()) return value;
  } catch (const OSError&) {
  }
  return std::nullopt;
}

std::optional<int64_t> system_available_bytes() {
  try {
    for (const auto& line : split(read_text("/proc/meminfo", 1 << 20), '\n'))
      if (line.starts_with("MemAvailable:")) {
        const auto digits = trim(std::string_view(line).substr(13));
        int64_t kibibytes = 0;
        std::from_chars(digits.data(), digits.data() + digits.size(), kibibytes);
        return kibibytes * 1024;
      }
  } catch (const OSError&) {
  }
  return std::nullopt;
}

}  // namespace

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

int64_t available_memory_bytes() {
  const auto system = system_available_bytes();
  auto available = system.value_or(int64_t{1} << 40);
  const auto limit = number_in("/sys/fs/cgroup/memory.max");
  const auto used = number_in("/sys/fs/cgroup/memory.current");
  if (limit && used) available = std::min(available, std::max<int64_t>(0, *limit - *used));
  return available;
}

int64_t local_rank() {
  const auto text = environment("LOCAL_RANK");
  int64_t rank = 0;
  std::from_chars(text.data(), text.data() + text.size(), rank);
  return std::max<int64_t>(rank, 0);
}

}  // namespace transformers
