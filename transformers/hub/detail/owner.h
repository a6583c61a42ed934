#pragma once

#include <cstdint>

namespace transformers::hub::detail {

/// Which process a file belongs to; all zero: none. Two processes never have the same, on any machine.
struct Owner {
  uint64_t machine[2] = {};  // changes with every start of the machine
  uint64_t name_space = 0;   // of process ids: a container has its own
  uint64_t process = 0, started = 0;

  bool operator==(const Owner&) const = default;
};

[[nodiscard]] Owner this_process();

/// What is known of a file's owner. `Unknown`: it ran on another machine or in another container.
enum class OwnerState { Alive, Gone, Unknown };
[[nodiscard]] OwnerState state_of(const Owner& owner);

}  // namespace transformers::hub::detail
