// Fetches files of a repository, for tests that need processes of their own:
// hub_fetch [--all-locks-succeed] REPO FILE…
#include <cstdio>
#include <string>

#include "transformers/hub/repository.h"

int main(int count, char** words) {
  using namespace transformers;
  // Small pieces, so that much can happen between two of them.
  DownloadOptions options{.retry = {.first_delay_s = 0.01},
                          .tuning = {.connections = 4, .parallel_from_bytes = 256 << 10, .segment_bytes = 64 << 10}};
  options.lock.poll_every_s = 0.01;
  int first = 1;
  if (count > 1 && std::string(words[1]) == "--all-locks-succeed") {
    options.lock.try_lock = [](int) { return true; };
    first = 2;
  }
  try {
    hub::Repository repository(words[first], options);
    for (int i = first + 1; i < count; ++i) repository.fetch(words[i]);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
