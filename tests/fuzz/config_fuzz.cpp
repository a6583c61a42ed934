#include <cstdlib>

#include "input_file.h"
#include "transformers/base/error.h"
#include "transformers/base/logging.h"
#include "transformers/config/config.h"
#include "transformers/config/config_file.h"
#include "transformers/config/generation_config.h"

namespace {

using namespace transformers;

// A field of each kind, and every name that is checked or that others follow from. The architectures' own configs stand
// above libtorch.
struct AnyConfig final : PretrainedConfig {
  int64_t vocab_size = 32;
  int64_t hidden_size = 16;
  int64_t num_hidden_layers = 2;
  int64_t num_attention_heads = 4;
  std::optional<int64_t> num_key_value_heads = 2;
  std::optional<int64_t> head_dim = {};
  int64_t max_position_embeddings = 64;
  std::string hidden_act = "silu";
  std::optional<std::string> feed_forward_proj = {};
  double rms_norm_eps = 1e-6;
  std::optional<double> attention_dropout = {};
  bool use_cache = true;
  std::optional<bool> use_sliding_window = {};
  std::optional<int64_t> sliding_window = {};
  std::optional<int64_t> pad_token_id = {};
  std::vector<int64_t> image_size = {};
  std::vector<std::string> layer_types = {};
  Json eos_token_id = 2;
  Json rope_parameters = {};
  TRANSFORMERS_CONFIG(AnyConfig, "any", vocab_size, hidden_size, num_hidden_layers, num_attention_heads,
                      num_key_value_heads, head_dim, max_position_embeddings, hidden_act, feed_forward_proj,
                      rms_norm_eps, attention_dropout, use_cache, use_sliding_window, sliding_window, pad_token_id,
                      image_size, layer_types, eos_token_id, rope_parameters)
  [[nodiscard]] std::span<const Constraint> constraints() const override { return kConstraints; }
  [[nodiscard]] std::span<const Alias> attribute_map() const override { return kAliases; }

 protected:
  void finish(std::string_view where) override {
    if (!head_dim) head_dim = hidden_size / num_attention_heads;
    standardize_rope(*this, rope_parameters, 10000.0, max_position_embeddings, where);
  }

 private:
  static constexpr Alias kAliases[] = {{"hidden_size", "n_embd"}, {"num_hidden_layers", "n_layer"}};
  static constexpr Constraint kConstraints[] = {
      kPaddingConstraints[0],
      {.field = "hidden_size",
       .rule = Constraint::Rule::MultipleOf,
       .other = "num_attention_heads",
       .unless = "head_dim"},
      {.field = "layer_types", .rule = Constraint::Rule::LayerTypes, .other = "num_hidden_layers"}};
};

// What was accepted must be written so that it is accepted again, as the same.
void write_and_read(const AnyConfig& config) {
  for (const bool use_diff : {true, false}) {
    AnyConfig again;
    again.update(Json::parse(config.to_json_string(use_diff)), "written");
    if (again.to_json_string(false) != config.to_json_string(false)) std::abort();
  }
  static_cast<void>(GenerationConfig::from_model_config(config).to_json_string());
}

}  // namespace

// A config.json: read, checked, written and read again.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  logging::set_verbosity(logging::Level::Error);
  const fuzz::InputFile input(data, size);
  AnyConfig config;
  try {
    config.update(read_config_file(input.path()), "input");
  } catch (const ValueError&) {
    return 0;
  } catch (const OSError&) {
    return 0;
  }
  write_and_read(config);
  return 0;
}
