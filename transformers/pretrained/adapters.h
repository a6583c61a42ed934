#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "transformers/config/lora_config.h"
#include "transformers/hub/options.h"
#include "transformers/pretrained/load.h"

namespace transformers {

/// Arguments of load_adapter; names and defaults are the reference's. Files are looked up as in from_pretrained.
struct LoadAdapterOptions {
  std::optional<std::string> adapter_name = {};      // "default"
  std::optional<LoraConfig> peft_config = {};        // with `adapter_state_dict`, instead of files
  std::optional<StateDict> adapter_state_dict = {};  // named as get_adapter_state_dict does, with or without prefix
  bool is_trainable = false;                         // false: no gradients, and the model goes into eval mode
  bool ignore_mismatched_sizes = false;              // tensors of another shape are initialised anew
  std::optional<bool> use_safetensors = {};          // false: adapter_model.bin first; true: nothing else
  bool local_files_only = false;
  std::optional<std::filesystem::path> cache_dir = {};
  bool force_download = false;
  std::map<std::string, std::string> proxies = {};
  std::optional<TokenArg> token = {};
  std::string revision = "main";
  std::string subfolder = {};
};

// PeftAdapterMixin::load_adapter throws ValueError for a name that is taken or cannot be one (it is part of parameters'
// names: no dot), for a config that cannot be and for targets that the model lacks; NotImplementedError for other types
// than LoRA and options of it that this version does not know; OSError for files; RuntimeError where nothing in the
// file belongs to the model, or shapes do not fit. The model is then as it was before.

}  // namespace transformers
