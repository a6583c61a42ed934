#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "transformers/checkpoint/checkpoint.h"
#include "transformers/checkpoint/weights_files.h"

namespace transformers::testing {

/// A test with a folder of its own, which goes away with it.
class ScratchFolder : public ::testing::Test {
 protected:
  ScratchFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "mapping-XXXXXX").native();
    if (!::mkdtemp(name.data())) throw std::runtime_error("no folder for the test");
    folder_ = name;
  }
  ~ScratchFolder() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  [[nodiscard]] std::filesystem::path at(std::string_view name) const { return folder_ / name; }

  static std::vector<std::string> names_in(const std::filesystem::path& folder) {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    return names;
  }

  std::filesystem::path folder_;
};

/// Shape and bytes by name.
using Values = std::map<std::string, std::pair<std::vector<int64_t>, std::string>>;

/// What a checkpoint holds: a file, or the weights of a folder.
inline Values values_of(const std::filesystem::path& path) {
  const auto reader = open_checkpoint(std::filesystem::is_directory(path) ? *find_weights(path) : path);
  Values out;
  for (const auto& entry : reader->entries()) {
    const auto data = reader->bytes(entry);
    out[entry.name] = {entry.shape, std::string(reinterpret_cast<const char*>(data.bytes.data()), data.bytes.size())};
  }
  return out;
}

}  // namespace transformers::testing
