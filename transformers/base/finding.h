#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

namespace transformers {

/// How much a finding matters: the weights cannot be read or are not those that were saved; they can, but something
/// does not fit together.
enum class Severity { Error, Warning };

/// What an examination of a model's files found.
struct Finding {
  Severity severity = Severity::Error;
  std::filesystem::path file = {};
  std::string key = {};  // of the tensor that it is about; empty when about the file
  std::string message = {};
};

/// By file; what is found in one keeps its order.
inline void sort_by_file(std::vector<Finding>& findings) {
  std::stable_sort(findings.begin(), findings.end(),
                   [](const Finding& a, const Finding& b) { return a.file < b.file; });
}

}  // namespace transformers
