#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "transformers/base/json.h"
#include "transformers/base/size.h"
#include "transformers/hub/options.h"
#include "transformers/modeling/model.h"

namespace transformers {

/// Writes the tensors of one file of pickled weights.
using SaveFunction = std::function<void(const StateDict& tensors, const std::filesystem::path& file)>;

/// Arguments of save_pretrained; names and defaults are the reference's. A model with an adapter attached saves the
/// active adapter alone, as adapter_config.json and adapter_model.safetensors or .bin, which peft reads; ValueError
/// when several are active. merge_and_unload makes a model of it that is saved as a whole.
struct SavePretrainedOptions {
  bool is_main_process = true;               // false: this process writes nothing
  std::optional<StateDict> state_dict = {};  // saved instead of the model's own
  SaveFunction save_function = {};           // instead of our writer of .bin files; not used for safetensors
  bool push_to_hub = false;                  // uploads what was saved, in one commit
  ByteSize max_shard_size = "50GB";          // larger weights become shards and an index
  bool safe_serialization = true;            // false: pytorch_model.bin
  std::optional<std::string> variant = {};   // model.<variant>.safetensors
  bool save_peft_format = true;              // of an adapter: names as peft's own model has them (base_model.model.…)
  bool save_original_format = true;          // names as the Hub's files have them
  std::optional<TokenArg> token = {};        // of the upload
  /// Of the upload: repo_id (else the folder's name), commit_message, commit_description, private, create_pr, revision,
  /// tags; and the old names of arguments, with a FutureWarning. Others: TypeError.
  Json kwargs = Json::object();
};

}  // namespace transformers
