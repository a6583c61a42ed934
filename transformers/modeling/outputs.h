#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "transformers/nn/cache.h"
#include "transformers/nn/module.h"

namespace transformers {

/// Everything a forward may be given; an undefined tensor or absent value means "not given". Names and meanings are the
/// reference's. Ids are int64; masks are ones and zeros.
struct ModelInputs {
  at::Tensor input_ids = {};            // (batch, tokens); multiple choice: (batch, choices, tokens)
  at::Tensor attention_mask = {};       // (batch, past + tokens)
  at::Tensor token_type_ids = {};       // (batch, tokens)
  at::Tensor position_ids = {};         // (batch, tokens)
  at::Tensor inputs_embeds = {};        // (batch, tokens, hidden), in place of input_ids
  at::Tensor labels = {};               // -100 is ignored where the loss is over tokens
  at::Tensor next_sentence_label = {};  // (batch)
  at::Tensor start_positions = {};      // (batch)
  at::Tensor end_positions = {};        // (batch)
  at::Tensor mc_token_ids = {};         // (batch, choices)
  at::Tensor mc_labels = {};            // (batch)
  at::Tensor decoder_input_ids = {};    // (batch, target)
  at::Tensor decoder_attention_mask = {};
  at::Tensor decoder_inputs_embeds = {};
  at::Tensor encoder_hidden_states = {};  // (batch, source, hidden)
  at::Tensor encoder_attention_mask = {};
  at::Tensor encoder_outputs = {};  // the encoder's last hidden state, computed before
  at::Tensor pixel_values = {};     // (batch, channels, height, width)
  at::Tensor bool_masked_pos = {};  // (batch, patches)

  std::shared_ptr<nn::Cache> past_key_values = {};
  std::optional<bool> use_cache = {};             // absent: config
  std::optional<bool> output_hidden_states = {};  // absent: config
  std::optional<bool> output_attentions = {};     // absent: config
  bool interpolate_pos_encoding = false;
  int64_t logits_to_keep = 0;  // logits of the last so many tokens; 0: of all
  bool are_checked = false;    // set by a model for those inside it, which get what it has checked

  using Field = std::pair<std::string_view, at::Tensor ModelInputs::*>;
  [[nodiscard]] static std::span<const Field> fields();
  /// The tensor called `name`; throws ValueError listing the names.
  [[nodiscard]] at::Tensor& at(std::string_view name);
};

/// What a forward returns. Fields that do not apply stay undefined or empty; order and names are the reference's.
struct ModelOutput {
  using Tuple = std::vector<at::Tensor>;

  at::Tensor loss = {};                     // scalar
  at::Tensor mc_loss = {};                  // scalar
  at::Tensor last_hidden_state = {};        // (batch, tokens, hidden)
  at::Tensor prediction_logits = {};        // (batch, tokens, vocab)
  at::Tensor seq_relationship_logits = {};  // (batch, 2)
  at::Tensor start_logits = {};             // (batch, tokens)
  at::Tensor end_logits = {};               // (batch, tokens)
  at::Tensor logits = {};                   // by head: (batch, tokens, vocab), (batch, labels), (batch, tokens, labels)
  at::Tensor mc_logits = {};                // (batch, choices)
  at::Tensor reconstruction = {};           // (batch, channels, height, width)
  at::Tensor pooler_output = {};            // (batch, hidden)
  std::shared_ptr<nn::Cache> past_key_values = {};
  Tuple hidden_states = {};  // embeddings, then one per layer
  Tuple attentions = {};     // one per layer, (batch, heads, queries, keys)
  Tuple decoder_hidden_states = {}, decoder_attentions = {}, cross_attentions = {};
  at::Tensor encoder_last_hidden_state = {};
  Tuple encoder_hidden_states = {}, encoder_attentions = {};

  using Member = std::variant<at::Tensor ModelOutput::*, Tuple ModelOutput::*>;
  using Field = std::pair<std::string_view, Member>;
  [[nodiscard]] static std::span<const Field> fields();

  using Value = std::variant<at::Tensor, Tuple>;
  /// Names of the fields that are set, in order (the cache is not among them).
  [[nodiscard]] std::vector<std::string_view> keys() const;
  /// The value called `name`; throws KeyError naming those that are set.
  [[nodiscard]] Value operator[](std::string_view name) const;
  /// The value at `index` among those that are set; throws KeyError.
  [[nodiscard]] Value operator[](size_t index) const;
  [[nodiscard]] std::vector<Value> to_tuple() const;
  /// Every tensor under its flat name: `logits`, `hidden_states.0` …
  [[nodiscard]] std::vector<std::pair<std::string, at::Tensor>> flatten() const;
};

void collect_tensors(ModelInputs& inputs, nn::Tensors& out);
void collect_tensors(ModelOutput& output, nn::Tensors& out);

}  // namespace transformers
