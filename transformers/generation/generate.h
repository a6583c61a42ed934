#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "transformers/config/generation_config.h"
#include "transformers/modeling/model.h"

namespace transformers {

/// Receives tokens as they are made, on the CPU: first the prompt, then one token of each row at a time, then `end`.
class BaseStreamer {
 public:
  virtual ~BaseStreamer() = default;
  virtual void put(const at::Tensor& ids) = 0;  // (batch, tokens) for the prompt, (batch) afterwards
  virtual void end() = 0;
};

/// Changes the scores of the next token: (batch, vocab) float32 in and out; `input_ids`: (batch, tokens so far). May
/// write into `scores` and return it. Those made from the config are in generation/logits_processors.h.
class LogitsProcessor {
 public:
  virtual ~LogitsProcessor() = default;
  virtual at::Tensor operator()(const at::Tensor& input_ids, const at::Tensor& scores) = 0;
};

/// Tells after each step which rows are done: (batch) bool. `scores` are those the last token was chosen by.
class StoppingCriteria {
 public:
  virtual ~StoppingCriteria() = default;
  virtual at::Tensor operator()(const at::Tensor& input_ids, const at::Tensor& scores) = 0;
};

/// Arguments of generate.
struct GenerateOptions {
  std::optional<GenerationConfig> generation_config = {};               // absent: the model's
  Json kwargs = Json::object();                                         // GenerationConfig fields that override it
  std::vector<std::shared_ptr<LogitsProcessor>> logits_processor = {};  // run after the config's, before sampling's
  std::vector<std::shared_ptr<StoppingCriteria>> stopping_criteria = {};
  std::shared_ptr<BaseStreamer> streamer = {};
  std::optional<uint64_t> seed = {};  // of the sampling; absent: libtorch's default generator
  std::function<std::string(std::span<const int64_t> ids)> decode = {};  // text of ids; needed for stop_strings
};

/// What generate returns; scores and the rest are filled when the config asks for them and for
/// return_dict_in_generate.
struct GenerateResult {
  at::Tensor sequences = {};            // (batch, tokens), prompt included, padded after EOS
  std::vector<at::Tensor> scores = {};  // one (batch, vocab) per step, processed
  std::vector<at::Tensor> logits = {};  // one per step, as the model gave them, float32
  // One tuple per step, of the decoder where there is an encoder too.
  std::vector<ModelOutput::Tuple> attentions = {}, cross_attentions = {}, hidden_states = {};
  ModelOutput::Tuple encoder_attentions = {}, encoder_hidden_states = {};
  std::shared_ptr<nn::Cache> past_key_values = {};
};

}  // namespace transformers
