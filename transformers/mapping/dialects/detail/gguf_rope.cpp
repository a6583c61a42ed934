#include <cmath>
#include <cstring>
#include <vector>

#include "transformers/base/strings.h"
#include "transformers/mapping/dialects/detail/gguf_architectures.h"

namespace transformers::detail {

namespace {

// Numbers by which the wavelengths are multiplied, one for each pair of a head; empty when the file has none.
std::vector<float> read_factors(const GgufKeys& keys, int64_t head_size) {
  constexpr std::string_view kName = "rope_freqs.weight";
  const auto& reader = keys.reader();
  const auto* entry = reader.find(kName);
  if (!entry) return {};
  const std::vector<int64_t> expected = {head_size / 2};
  if (entry->dtype != DataType::F32 || entry->shape != expected)
    keys.refuse(str("the tensor ", quote(kName), " is ", info(entry->dtype).name, " of shape ", entry->shape,
                    ", expected ", info(DataType::F32).name, " of shape ", expected));
  const auto data = reader.bytes(*entry);
  std::vector<float> factors(static_cast<size_t>(head_size / 2));
  if (data.bytes.size() != factors.size() * sizeof(float))
    keys.refuse(str("the tensor ", quote(kName), " has ", data.bytes.size(), " bytes, expected 4 for each number"));
  if (!factors.empty()) std::memcpy(factors.data(), data.bytes.data(), data.bytes.size());
  bool scales = false;
  for (const float factor : factors) {
    if (!std::isfinite(factor) || factor <= 0)
      keys.refuse(str("the tensor ", quote(kName), " holds ", factor, ", expected finite numbers above 0"));
    scales = scales || factor != 1.0F;
  }
  return scales ? factors : std::vector<float>();
}

// Corrections of the attention that YaRN's configuration here cannot express.
void refuse_corrections(const GgufKeys& keys) {
  for (const auto* name : {"attn_factor", "yarn_attn_factor", "yarn_ext_factor"}) {
    const auto suffix = str("rope.scaling.", name);
    if (const auto value = keys.number(suffix, 0); value.value_or(1) != 1)
      keys.impossible(suffix, str(*value), "1: nothing else is supported");
  }
}

void add_yarn(const GgufKeys& keys, double factor, Json& rope) {
  constexpr int64_t kMostPositions = INT32_MAX;
  refuse_corrections(keys);
  rope["rope_type"] = "yarn";
  rope["factor"] = factor;
  if (const auto length = keys.integer("rope.scaling.original_context_length", 1, kMostPositions))
    rope["original_max_position_embeddings"] = *length;
  if (const auto fast = keys.number("rope.scaling.yarn_beta_fast", 0)) rope["beta_fast"] = *fast;
  if (const auto slow = keys.number("rope.scaling.yarn_beta_slow", 0)) rope["beta_slow"] = *slow;
}

// The file holds the result, not the recipe (Llama 3's, as a rule): a list of factors that does not depend on the
// length and leaves the attention as it is says the same.
void add_factors(const std::vector<float>& factors, Json& rope) {
  Json list = Json::list();
  for (const float factor : factors) list.push_back(static_cast<double>(factor));
  rope["rope_type"] = "longrope";
  rope["short_factor"] = list;
  rope["long_factor"] = list;
  rope["attention_factor"] = 1.0;
}

}  // namespace

// The reference reads nothing but the base, and so runs scaled models (Llama 3.1 among them) with unscaled positions.
// The file is clear about it and followed instead, with the defaults of llama.cpp, for which it was written.
Json gguf_rope_parameters(const GgufKeys& keys, int64_t head_size) {
  constexpr double kLeastTheta = 1e-6;
  Json rope = Json::object();
  rope["rope_type"] = "default";
  if (const auto theta = keys.number("rope.freq_base", kLeastTheta)) rope["rope_theta"] = *theta;
  const auto type = keys.text("rope.scaling.type").value_or("linear");
  auto factor = keys.number("rope.scaling.factor", 0).value_or(0);
  if (factor == 0) factor = keys.number("rope.scale_linear", 0).value_or(0);  // an older name
  if (factor == 0) factor = 1;
  if (type == "yarn") {
    add_yarn(keys, factor, rope);
  } else if (type == "linear") {
    if (factor != 1) {
      rope["rope_type"] = "linear";
      rope["factor"] = factor;
    }
  } else if (type != "none") {
    keys.impossible("rope.scaling.type", quote(type), "none, linear or yarn");
  }
  const auto factors = read_factors(keys, head_size);
  if (factors.empty()) return rope;
  if (rope.get("rope_type", "") != "default")
    keys.refuse(str("scales its positions twice, by ", quote(keys.full("rope.scaling.type")),
                    " and by the tensor 'rope_freqs.weight', which is not supported"));
  add_factors(factors, rope);
  return rope;
}

}  // namespace transformers::detail
