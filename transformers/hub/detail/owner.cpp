#include "transformers/hub/detail/owner.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>

#include "transformers/base/strings.h"

namespace transformers::hub::detail {

namespace {

// Files of /proc have no size that could be asked for.
std::string read_small(const std::string& file) {
  char text[1024];
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return {};
  const auto count = ::read(descriptor, text, sizeof(text));
  ::close(descriptor);
  return count > 0 ? std::string(text, static_cast<size_t>(count)) : std::string();
}

// The 22nd field of /proc/PID/stat; the second may hold spaces and brackets.
uint64_t start_time(uint64_t process) {
  const auto text = read_small(str("/proc/", process, "/stat"));
  const auto bracket = text.rfind(')');
  if (bracket == std::string::npos) return 0;
  const auto fields = split(std::string_view(text).substr(bracket + 1), ' ');
  return fields.size() > 20 ? std::strtoull(fields[20].c_str(), nullptr, 10) : 0;
}

Owner identify() {
  Owner owner{.process = static_cast<uint64_t>(::getpid())};
  const auto boot = replace_all(trim(read_small("/proc/sys/kernel/random/boot_id")), "-", "");
  if (boot.size() == 32)
    for (size_t half : {0, 1}) owner.machine[half] = std::strtoull(boot.substr(16 * half, 16).c_str(), nullptr, 16);
  struct stat status {};
  if (::stat("/proc/self/ns/pid", &status) == 0) owner.name_space = status.st_ino;
  owner.started = start_time(owner.process);
  return owner;
}

}  // namespace

Owner this_process() { return identify(); }

OwnerState state_of(const Owner& owner) {
  if (owner == Owner{}) return OwnerState::Gone;
  const auto self = this_process();
  const bool is_here = owner.machine[0] == self.machine[0] && owner.machine[1] == self.machine[1] &&
                       owner.name_space == self.name_space && self.machine[0] != 0;
  if (!is_here || owner.process == 0 || owner.process > (uint64_t{1} << 31)) return OwnerState::Unknown;
  if (::kill(static_cast<pid_t>(owner.process), 0) != 0 && errno == ESRCH) return OwnerState::Gone;
  // The number may have been given to another process since.
  const auto started = start_time(owner.process);
  if (started == 0 && owner.started == 0) return OwnerState::Unknown;
  return started == owner.started ? OwnerState::Alive : OwnerState::Gone;
}

}  // namespace transformers::hub::detail
