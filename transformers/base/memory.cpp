#include "transformers/base/memory.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>

#include "transformers/base/error.h"
#include "transformers/base/files.h"
#include "transformers/base/strings.h"

namespace transformers {

namespace fs = std::filesystem;

namespace {

std::string text_in(const fs::path& file) {
  try {
    return read_text(file, 1 << 20);
  } catch (const OSError&) {
    return {};
  }
}

// At the beginning of a text; absent when there is none, such as in "max".
std::optional<int64_t> number_of(std::string_view text) {
  text = trim(text);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end != text.data() ? std::optional(value) : std::nullopt;
}

std::optional<int64_t> number_after(std::string_view text, std::string_view key) {
  for (const auto& line : split(text, '\n'))
    if (line.starts_with(key)) return number_of(std::string_view(line).substr(key.size()));
  return std::nullopt;
}

// How a version of control groups says what a group may use and uses.
struct GroupFiles {
  std::string_view folder, limit, used, cached, shared;  // what is shared counts as cached, and cannot be dropped
};
constexpr GroupFiles kVersion1 = {"sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
                                  "total_cache ", "total_shmem "};
constexpr GroupFiles kVersion2 = {"sys/fs/cgroup", "memory.max", "memory.current", "file ", "shmem "};

// What a group and those around it leave. In a container the path may be that of the host: then its root is the group.
int64_t left_by_groups(const fs::path& root, const GroupFiles& files, fs::path group) {
  auto least = INT64_MAX;
  for (group = fs::path("/") / group;; group = group.parent_path()) {
    const auto folder = root / files.folder / group.relative_path();
    const auto limit = number_of(text_in(folder / files.limit)), used = number_of(text_in(folder / files.used));
    if (limit && used) {
      const auto stat = text_in(folder / "memory.stat");
      const auto free = number_after(stat, files.cached).value_or(0) - number_after(stat, files.shared).value_or(0);
      least = std::min(least, std::max<int64_t>(0, *limit - std::max<int64_t>(0, *used - free)));
    }
    if (!group.has_relative_path()) return least;
  }
}

}  // namespace

int64_t available_memory_bytes(const fs::path& root) {
  const auto kibibytes = number_after(text_in(root / "proc/meminfo"), "MemAvailable:");
  auto available = kibibytes ? *kibibytes * 1024 : int64_t{1} << 40;
  fs::path memory_group, unified_group;  // "12:memory:/path" and "0::/path"
  for (const auto& line : split(text_in(root / "proc/self/cgroup"), '\n')) {
    const auto first = line.find(':'), second = line.find(':', first + 1);  // paths have colons too
    if (first == std::string::npos || second == std::string::npos) continue;
    const auto kind = line.substr(first + 1, second - first - 1);
    if (kind == "memory") memory_group = line.substr(second + 1);
    if (kind.empty()) unified_group = line.substr(second + 1);
  }
  available = std::min(available, left_by_groups(root, kVersion1, memory_group.lexically_normal()));
  return std::min(available, left_by_groups(root, kVersion2, unified_group.lexically_normal()));
}

}  // namespace transformers
