#include "transformers/generation/detail/plan.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/tensor.h>

#include <algorithm>

#include "transformers/base/error.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/generation/detail/checks.h"

namespace transformers::detail {

namespace {

constexpr int64_t kMostTokens = int64_t{1} << 40;  // keeps sums of lengths inside int64_t's range

std::optional<int64_t> vocab_size(const PreTrainedModel& model) {
  const auto size = model.config->get("vocab_size");
  return size.is_int() ? std::optional(size.as_int()) : std::nullopt;
}

void check_ids(const PreTrainedModel& model, const at::Tensor& ids, std::string_view name) {
  if (ids.dim() != 2 || ids.size(0) < 1)
    throw ValueError(transformers::str("generate: ", name, " has shape ", ids.sizes(), ", expected (batch, tokens)"));
  if (ids.scalar_type() != at::kLong && ids.scalar_type() != at::kInt)
    throw ValueError(
        str("generate: ", name, " must hold int64 ids, found ", std::string(c10::toString(ids.scalar_type()))));
  const auto vocab = vocab_size(model);
  if (ids.size(1) == 0 || !vocab) return;
  const int64_t low = ids.min().item<int64_t>(), high = ids.max().item<int64_t>();
  if (low < 0 || high >= *vocab)
    throw ValueError(str("generate: ", name, " holds the id ", low < 0 ? low : high,
                         ", the model's vocabulary has ids 0 to ", *vocab - 1));
}

void check_token(const PreTrainedModel& model, int64_t id, std::string_view name) {
  const auto vocab = vocab_size(model);
  if (id < 0 || (vocab && id >= *vocab))
    throw ValueError(str("generate: ", name, " is ", id, ", expected an id of the model's vocabulary",
                         vocab ? str(", 0 to ", *vocab - 1) : std::string()));
}

// The batch and number of prompt tokens come from the first of these that is given.
at::Tensor main_input(const ModelInputs& in) {
  for (const auto& tensor :
       {in.input_ids, in.inputs_embeds, in.encoder_outputs, in.decoder_input_ids, in.attention_mask})
    if (tensor.defined()) return tensor;
  return {};
}

class Planner {
 public:
  Planner(PreTrainedModel& model, const ModelInputs& inputs, const GenerateOptions& options)
      : model_(model), resolved_(resolve_config(model, options)) {
    plan_.config = resolved_.config;
    plan_.is_encoder_decoder = model.config->is_encoder_decoder;
    plan_.inputs = inputs;
    const auto device = model.device();
    plan_.device = device == at::kMeta && main_input(inputs).defined() ? main_input(inputs).device() : device;
  }

  GenerationPlan plan() {
    take_tokens();
    take_inputs();
    plan_.is_encoder_decoder ? start_decoder() : start_prompt();
    repeat_rows();
    set_lengths();
    return std::move(plan_);
  }

 private:
  // Special tokens.
  void take_tokens() {
    auto& c = plan_.config;
    plan_.eos = token_ids(c.eos_token_id, "eos_token_id");
    for (const int64_t id : plan_.eos)
      if (id < 0)
        logging::warning_once(
            str("generate: eos_token_id ", id, " is no token, so that nothing ends a sequence early"));
    plan_.pad = c.pad_token_id;
    if (!plan_.pad && !plan_.eos.empty()) {
      plan_.pad = plan_.eos.front();
      pad_is_guessed_ = true;
    }
    if (plan_.pad && !plan_.eos.empty() && *plan_.pad >= 0) check_token(model_, *plan_.pad, "pad_token_id");
    if (c.forced_bos_token_id) check_token(model_, *c.forced_bos_token_id, "forced_bos_token_id");
    for (const int64_t id : token_ids(c.forced_eos_token_id, "forced_eos_token_id"))
      check_token(model_, id, "forced_eos_token_id");
    plan_.use_cache = c.use_cache.value_or(true);
  }

  void take_inputs() {
    auto& in = plan_.inputs;
    if (in.labels.defined()) throw ValueError("generate: labels are given, but generation has no loss; leave them out");
    for (const auto& [name, member] : ModelInputs::fields())
      if ((in.*member).defined()) in.*member = (in.*member).to(plan_.device);
    if (in.input_ids.defined()) {
      check_ids(model_, in.input_ids, "input_ids");
      in.input_ids = in.input_ids.to(at::kLong);
    }
    if (in.inputs_embeds.defined() && in.inputs_embeds.dim() != 3)
      throw ValueError(transformers::str("generate: inputs_embeds has shape ", in.inputs_embeds.sizes(),
                                         ", expected (batch, tokens, hidden)"));
    if (in.input_ids.defined() && in.inputs_embeds.defined() && plan_.is_encoder_decoder)
      throw ValueError("generate: input_ids and inputs_embeds are given; give one of them");
    const auto main = main_input(in);
    batch_ = main.defined() ? main.size(0) : 1;
    const bool has_input = in.input_ids.defined() || in.inputs_embeds.defined() || in.encoder_outputs.defined();
    if (!has_input) in.input_ids = first_tokens(plan_.config.bos_token_id, "bos_token_id");
    if (in.input_ids.defined() && in.input_ids.size(1) == 0)
      throw ValueError(
          "generate: the prompt is empty; give at least one token, or no input_ids to start with bos_token_id");
    if (plan_.is_encoder_decoder && in.input_ids.defined()) check_mask(in.input_ids);
  }

  at::Tensor long_full(int64_t columns, int64_t value) const {
    return at::full({batch_, columns}, value, at::TensorOptions().dtype(at::kLong).device(plan_.device));
  }

  at::Tensor first_tokens(const std::optional<int64_t>& id, std::string_view name) const {
    if (!id)
      throw ValueError(
          str("generate: no input_ids are given and ", name, " is not set to start from; give one of them"));
    check_token(model_, *id, name);
    return long_full(1, *id);
  }

  void check_mask(const at::Tensor& main) const {
    const auto& mask = plan_.inputs.attention_mask;
    if (!mask.defined()) return;
    const int64_t past = plan_.inputs.past_key_values ? plan_.inputs.past_key_values->length() : 0;
    const bool fits = mask.dim() == 2 && mask.size(0) == batch_ &&
                      (mask.size(1) == main.size(1) || (past > 0 && mask.size(1) == main.size(1) + past));
    if (!fits)
      throw ValueError(transformers::str("generate: attention_mask has shape ", mask.sizes(), ", expected [", batch_,
                                         ", ", main.size(1), "] as the prompt"));
  }

  // Decoder-only: the prompt is input_ids; its padding is at the left.
  void start_prompt() {
    auto& in = plan_.inputs;
    const bool embeds = in.inputs_embeds.defined();
    plan_.prompt = in.input_ids.defined() ? in.input_ids : long_full(0, 0);
    if (embeds) plan_.use_cache = true;  // there is no embedding of the whole sequence to begin again with
    const auto& main = embeds ? in.inputs_embeds : in.input_ids;
    if (!main.defined()) throw ValueError("generate: a model without an encoder needs input_ids or inputs_embeds");
    check_mask(main);
    warn_about_padding();
    if (!in.attention_mask.defined() && !embeds) in.attention_mask = mask_of_padding();
    if (in.attention_mask.defined()) {
      mask_length_ = in.attention_mask.size(1);
      if (in.attention_mask.ne(1).any().item<bool>()) plan_.prompt_mask = in.attention_mask.to(at::kLong);
    }
    in.attention_mask = at::Tensor();
    plan_.encoder_input_ids = in.input_ids;
    in.input_ids = at::Tensor();
    drop_seen_tokens();
  }

  // What a given cache has seen already may stand in the prompt or not.
  void drop_seen_tokens() {
    auto& in = plan_.inputs;
    if (!in.past_key_values) return;
    if (plan_.config.cache_implementation)
      throw ValueError("generate: cache_implementation and past_key_values are given; give one of them");
    const int64_t past = in.past_key_values->length(), tokens = plan_.prompt.size(1);
    const bool is_whole = mask_length_ < 0 || mask_length_ == tokens;
    if (is_whole) plan_.seen = past;
    if (past > 0 && is_whole && tokens <= past)
      throw ValueError(str("generate: past_key_values holds ", past, " tokens and the prompt ", tokens,
                           ", expected at least one more; give the whole sequence, or a mask over all of it"));
  }

  at::Tensor mask_of_padding() const {
    const bool ends_too = plan_.pad && std::find(plan_.eos.begin(), plan_.eos.end(), *plan_.pad) != plan_.eos.end();
    if (!plan_.pad || ends_too) return {};
    return plan_.prompt.ne(*plan_.pad).to(at::kLong);
  }

  void warn_about_padding() const {
    const auto& in = plan_.inputs;
    if (batch_ < 2 || !plan_.pad) return;
    if (pad_is_guessed_ && !in.attention_mask.defined())
      logging::warning(
          "generate: a batch without attention_mask and pad_token_id: padding cannot be told from text; give the mask");
    if (!in.attention_mask.defined() && !in.input_ids.defined()) return;
    const auto ends =
        in.attention_mask.defined() ? in.attention_mask.select(1, -1).eq(0) : in.input_ids.select(1, -1).eq(*plan_.pad);
    if (ends.any().item<bool>())
      logging::warning("generate: rows are padded at the right, where their text should go on; pad at the left");
  }

  // Encoder-decoder: sequences start with decoder_start_token_id.
  void start_decoder() {
    auto& in = plan_.inputs;
    plan_.encoder_input_ids = in.input_ids;
    const auto start = decoder_start();
    plan_.prompt_mask = in.decoder_attention_mask;
    if (!in.decoder_input_ids.defined()) {
      plan_.prompt = start;
    } else {
      check_ids(model_, in.decoder_input_ids, "decoder_input_ids");
      plan_.prompt = in.decoder_input_ids.to(at::kLong);
      if (plan_.prompt.size(1) == 0 || plan_.prompt.select(1, 0).ne(start.select(1, 0)).all().item<bool>()) {
        plan_.prompt = at::cat({start, plan_.prompt}, 1);
        if (plan_.prompt_mask.defined())
          plan_.prompt_mask = at::cat({at::ones_like(plan_.prompt_mask.narrow(1, 0, 1)), plan_.prompt_mask}, 1);
      }
    }
    if (plan_.prompt.size(0) != batch_)
      throw ValueError(
          str("generate: decoder_input_ids has ", plan_.prompt.size(0), " rows, the encoder's input ", batch_));
    if (plan_.prompt_mask.defined() && !plan_.prompt_mask.sizes().equals(plan_.prompt.sizes()))
      throw ValueError(
          transformers::str("generate: decoder_attention_mask has shape ", in.decoder_attention_mask.sizes(),
                            ", expected that of decoder_input_ids, ",
                            in.decoder_input_ids.defined() ? in.decoder_input_ids.sizes() : plan_.prompt.sizes()));
    in.decoder_input_ids = in.decoder_attention_mask = at::Tensor();
  }

  at::Tensor decoder_start() const {
    auto ids = token_ids(plan_.config.decoder_start_token_id, "decoder_start_token_id");
    if (ids.empty() && plan_.config.bos_token_id) ids = {*plan_.config.bos_token_id};
    if (ids.empty())
      throw ValueError("generate: an encoder-decoder model needs decoder_start_token_id or bos_token_id; set one");
    for (const int64_t id : ids) check_token(model_, id, "decoder_start_token_id");
    if (!plan_.config.decoder_start_token_id.is_array()) return long_full(1, ids[0]);
    if (static_cast<int64_t>(ids.size()) != batch_)
      throw ValueError(str("generate: decoder_start_token_id has ", ids.size(), " ids for ", batch_, " rows"));
    return at::tensor(ids, at::kLong).to(plan_.device).unsqueeze(1);
  }

  // num_return_sequences: neighbouring rows are samples of one prompt.
  void repeat_rows() {
    const int64_t count = plan_.config.num_return_sequences.value_or(1);
    if (count == 1) return;
    const auto vocab = static_cast<double>(vocab_size(model_).value_or(1));
    const double row_bytes = vocab * 4 + static_cast<double>(plan_.prompt.size(1)) * cache_bytes_per_token(model_);
    check_memory(plan_.device, "num_return_sequences", count,
                 static_cast<double>(count) * static_cast<double>(batch_) * row_bytes);
    const auto repeat = [&](at::Tensor& tensor) {
      if (tensor.defined() && tensor.dim() > 0) tensor = tensor.repeat_interleave(count, 0);
    };
    for (const auto& [name, member] : ModelInputs::fields()) repeat(plan_.inputs.*member);
    for (auto* tensor : {&plan_.prompt, &plan_.prompt_mask, &plan_.encoder_input_ids}) repeat(*tensor);
  }

  void set_lengths() {
    auto& c = plan_.config;
    const int64_t prompt = plan_.prompt.size(1);
    const int64_t embeds =
        plan_.is_encoder_decoder || !plan_.inputs.inputs_embeds.defined() ? 0 : plan_.inputs.inputs_embeds.size(1);
    for (const auto value : {*c.max_length, c.max_new_tokens.value_or(0), *c.min_length, c.min_new_tokens.value_or(0)})
      if (value < 0 || value > kMostTokens)
        throw ValueError(str("generate: a length of ", value, " tokens is set, expected 0 to ", kMostTokens));
    set_max_length(prompt, embeds);
    if (c.min_new_tokens) {
      if (resolved_.has_min_length)
        logging::warning("generate: min_new_tokens and min_length are set; min_new_tokens goes first");
      c.min_length = *c.min_new_tokens + prompt;
    } else if (embeds != prompt) {
      c.min_length = std::max<int64_t>(*c.min_length - embeds, 0);
    }
    if (prompt >= *c.max_length)
      throw ValueError(str("generate: ", plan_.is_encoder_decoder ? "decoder_input_ids" : "the prompt", " has ", prompt,
                           " tokens and max_length is ", *c.max_length, "; raise it, or set max_new_tokens"));
    if (*c.min_length > *c.max_length)
      logging::warning(str("generate: at least ", *c.min_length, " tokens are asked for and at most ", *c.max_length,
                           "; generation stops at the latter"));
    plan_.max_length = *c.max_length;
    const auto most = model_.config->get("max_position_embeddings");
    plan_.max_positions = most.is_int() ? most.as_int() : kMostTokens;
  }

  void set_max_length(int64_t prompt, int64_t embeds) {
    auto& c = plan_.config;
    if (c.max_new_tokens) {
      if (resolved_.has_max_length)
        logging::warning(str("generate: max_new_tokens, ", *c.max_new_tokens, ", and max_length, ", *c.max_length,
                             ", are set; max_new_tokens goes first"));
      c.max_length = *c.max_new_tokens + prompt;
    } else if (!resolved_.has_max_length) {
      c.max_length = *c.max_length + prompt;
      if (const auto most = model_.config->get("max_position_embeddings"); most.is_int())
        c.max_length = std::min(*c.max_length, most.as_int());
      logging::warning(
          str("generate: no length is set, so that it stops at ", *c.max_length, " tokens; set max_new_tokens"));
    } else if (embeds > 0 && embeds != prompt) {
      c.max_length = *c.max_length - embeds;
    }
  }

  PreTrainedModel& model_;
  ResolvedConfig resolved_;
  GenerationPlan plan_ = {};
  int64_t batch_ = 1, mask_length_ = -1;
  bool pad_is_guessed_ = false;
};

}  // namespace

GenerationPlan plan_generation(PreTrainedModel& model, const ModelInputs& inputs, const GenerateOptions& options) {
  if (!model.can_generate())
    throw TypeError(
        str("the class ", model.model_class().name,
            " cannot generate text: it has no language model head; load the model as a class that has one"));
  return Planner(model, inputs, options).plan();
}

}  // namespace transformers::detail
