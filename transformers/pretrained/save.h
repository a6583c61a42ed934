#pragma once

#include <optional>

#include "transformers/base/size.h"
#include "transformers/modeling/model.h"

namespace transformers {

/// Arguments of save_pretrained; names and defaults are the reference's.
struct SavePretrainedOptions {
  bool is_main_process = true;               // false: this process writes nothing
  std::optional<StateDict> state_dict = {};  // saved instead of the model's own
  ByteSize max_shard_size = "50GB";          // more than one shard: NotImplementedError in this version
  std::optional<std::string> variant = {};   // model.<variant>.safetensors
  bool save_original_format = true;          // names as the Hub's files have them
};

}  // namespace transformers
