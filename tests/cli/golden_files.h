#pragma once

#include <string>
#include <vector>

#include "program.h"
#include "transformers/checkpoint/checkpoint.h"

namespace transformers::cli_tests {

/// Writes the tensors of a golden file whose names begin with `prefix` to `target`, under the rest of their names.
void extract(const std::filesystem::path& golden, const std::string& prefix, const std::string& target);

/// The values of a float32 tensor; none when there is no such tensor.
[[nodiscard]] std::vector<float> floats_of(const CheckpointReader& reader, const std::string& name);

/// A tiny Llama with 41 tokens: <s>, </s>, <unk>, a blank, letters and some signs; its template repeats the messages.
void make_chat_model(const std::filesystem::path& folder, const std::string& model = "llama/models/rope");

}  // namespace transformers::cli_tests
