#include "transformers/generation/detail/checks.h"

#include <algorithm>

#include "transformers/base/error.h"
#include "transformers/base/memory.h"
#include "transformers/base/strings.h"
#include "transformers/config/config_field.h"
#include "transformers/config/generation_limits.h"
#include "transformers/generation/logits_processors.h"

namespace transformers::detail {

double checked_number(std::string_view field, double value) {
  const auto* limit = find_number_limit(field);
  if (limit && !limit->takes(value)) throw ValueError(str(field, " is ", value, ", expected ", limit->expected));
  return value;
}

static bool is_of_sampling(std::string_view field) {
  const auto rows = logits_processors();
  const auto row = std::ranges::find(rows, field, &ProcessorRow::field);
  return row != rows.end() && row->stage == ProcessorRow::Stage::Sampling;
}

void check_numbers(const GenerationConfig& config) {
  // `fields` hands out pointers for writing; here they are only read.
  for (const auto& field : const_cast<GenerationConfig&>(config).fields()) {
    if (!find_number_limit(field.name) || (!config.do_sample.value_or(false) && is_of_sampling(field.name))) continue;
    if (const auto value = get_field(field); value.is_number()) checked_number(field.name, value.as_double());
  }
}

void check_memory(const at::Device& device, std::string_view field, int64_t value, double size_bytes) {
  if (!device.is_cpu()) return;
  const auto memory = available_memory_bytes();
  if (size_bytes <= static_cast<double>(memory)) return;
  constexpr double kMost = 9e18;
  throw ValueError(str("generate: ", field, " is ", value, ", which takes ",
                       human_bytes(static_cast<int64_t>(std::min(size_bytes, kMost))), " or more, and ",
                       human_bytes(memory), " are free; ask for less"));
}

double cache_bytes_per_token(const PreTrainedModel& model) {
  const auto number = [&](const char* key) {
    const auto value = model.config->get(key);
    return value.is_int() ? static_cast<double>(value.as_int()) : 0.0;
  };
  const double heads = number("num_attention_heads"), kv_heads = number("num_key_value_heads");
  const double layers = std::max(number("num_decoder_layers"), number("num_hidden_layers"));
  const double own_size = number("head_dim");
  const double head_size = own_size > 0 || heads == 0 ? own_size : number("hidden_size") / heads;
  const auto width = static_cast<double>(c10::elementSize(model.dtype()));
  return 2 * layers * (kv_heads > 0 ? kv_heads : heads) * head_size * width;
}

}  // namespace transformers::detail
