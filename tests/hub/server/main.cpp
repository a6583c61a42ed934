// The test Hub as a program: hub_server [--port N] [--token TOKEN=USER] [--private ORG/NAME=FOLDER]
// [--gated ORG/NAME=FOLDER] [--part-size BYTES] [ORG/NAME=FOLDER …]. Prints its address and serves until its stdin is
// closed.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include "tests/hub/server/hub_server.h"

using transformers::hub_tests::Access;
using transformers::hub_tests::HubServer;

int main(int count, char** words) {
  int port = 0;
  for (int i = 1; i + 1 < count; ++i)
    if (std::string(words[i]) == "--port") port = std::atoi(words[i + 1]);
  HubServer server({.port = port});
  Access access = Access::Public;
  bool is_token = false;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    const auto equals = word.find('=');
    if (word == "--port") ++i;
    if (word == "--part-size" && i + 1 < count) server.set_part_size(std::atoll(words[++i]));
    if (word == "--private") access = Access::Private;
    if (word == "--gated") access = Access::Gated;
    if (word == "--token") is_token = true;
    if (equals == std::string::npos) continue;
    const auto name = word.substr(0, equals), value = word.substr(equals + 1);
    if (std::exchange(is_token, false)) {
      server.add_token(name, value);
      continue;
    }
    server.commit_folder(name, value);
    server.set_access(name, std::exchange(access, Access::Public));
  }
  std::printf("%s\n", server.url().c_str());
  std::fflush(stdout);
  char byte = 0;
  while (::read(STDIN_FILENO, &byte, 1) > 0) {
  }
  return 0;
}
