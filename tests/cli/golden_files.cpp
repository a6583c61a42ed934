#include "golden_files.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "transformers/checkpoint/safetensors.h"

namespace transformers::cli_tests {

namespace fs = std::filesystem;

void extract(const fs::path& golden, const std::string& prefix, const std::string& target) {
  const auto reader = open_checkpoint(golden);
  std::vector<CheckpointWriteEntry> entries;
  for (const auto& entry : reader->entries())
    if (entry.name.starts_with(prefix))
      entries.push_back({.name = entry.name.substr(prefix.size()),
                         .dtype = entry.dtype,
                         .shape = entry.shape,
                         .bytes = [&reader, &entry] { return reader->bytes(entry); }});
  ASSERT_FALSE(entries.empty()) << prefix;
  write_safetensors(target, entries);
}

std::vector<float> floats_of(const CheckpointReader& reader, const std::string& name) {
  const auto* entry = reader.find(name);
  if (!entry) return {};
  std::vector<float> values(entry->size_bytes / sizeof(float));
  std::memcpy(values.data(), reader.bytes(*entry).bytes.data(), entry->size_bytes);
  return values;
}

void make_chat_model(const fs::path& folder, const std::string& model_name) {
  const auto model = test_data(model_name);
  for (const auto* name : {"config.json", "model.safetensors"}) fs::copy_file(model / name, folder / name);
  std::string vocabulary = R"("<s>": 0, "<unk>": 1, "</s>": 2, "Ġ": 3)";
  const std::string letters = "abcdefghijklmnopqrstuvwxyz.,?!:-01234";
  for (size_t i = 0; i < 37; ++i) vocabulary += ", \"" + letters.substr(i, 1) + "\": " + std::to_string(i + 4);
  std::ofstream(folder / "tokenizer.json")
      << R"({"version": "1.0", "truncation": null, "padding": null, "added_tokens": [
        {"id": 2, "content": "</s>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}],
        "normalizer": null, "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "post_processor": null, "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
        "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false, "vocab": {)"
      << vocabulary << R"(}, "merges": []}})";
  std::ofstream(folder / "tokenizer_config.json") << R"({"eos_token": "</s>"})";
  std::ofstream(folder / "chat_template.jinja") << "{% for m in messages %}{{ m.role }}: {{ m.content }}</s>{% "
                                                   "endfor %}{% if add_generation_prompt %}assistant: {% endif %}";
}

}  // namespace transformers::cli_tests
