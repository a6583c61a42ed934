#pragma once

#include <filesystem>
#include <string>

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

}  // namespace transformers
