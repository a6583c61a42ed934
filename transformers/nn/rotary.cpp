#include "transformers/nn/rotary.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>

#include <cmath>
#include <numbers>

#include "transformers/base/error.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/kernels/rotary.h"

namespace transformers::nn {

namespace {

// theta^(2i / size) for i = 0 … size/2 - 1, in float32 as the reference computes it.
at::Tensor wavelengths(double theta, int64_t size) {
  return at::pow(theta, at::arange(0, size, 2, at::kFloat) / static_cast<double>(size));
}

// Section 3.2 of the YaRN paper: high frequencies stay, low ones are interpolated, a ramp lies between.
at::Tensor yarn(const Json& p, double theta, int64_t size, double factor) {
  const double positions = p.at("original_max_position_embeddings").as_double();
  const auto or_default = [&](const char* key, double fallback) {
    const double value = p.get(key, fallback);
    return value == 0 ? fallback : value;
  };
  const auto correction = [&](double rotations) {
    return size * std::log(positions / (rotations * 2 * std::numbers::pi)) / (2 * std::log(theta));
  };
  double low = correction(or_default("beta_fast", 32)), high = correction(or_default("beta_slow", 1));
  if (p.get("truncate", true)) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(size - 1));
  if (low == high) high += 0.001;
  const auto ramp = at::clamp((at::arange(size / 2, at::kFloat) - low) / (high - low), 0, 1);
  const auto keep = 1 - ramp;
  const auto base = wavelengths(theta, size);
  return (base * factor).reciprocal() * (1 - keep) + base.reciprocal() * keep;
}

at::Tensor llama3(const Json& p, double theta, int64_t size) {
  const double factor = p.at("factor").as_double();
  const double low = p.at("low_freq_factor").as_double(), high = p.at("high_freq_factor").as_double();
  const double positions = p.at("original_max_position_embeddings").as_double();
  const auto inverse = wavelengths(theta, size).reciprocal();
  const auto length = inverse.reciprocal() * (2 * std::numbers::pi);
  const auto scaled = at::where(length.gt(positions / low), inverse / factor, inverse);
  const auto smooth = (length.reciprocal() * positions - low) / (high - low);
  const auto smoothed = (1 - smooth) * scaled / factor + smooth * scaled;
  const auto medium = length.ge(positions / high).logical_and(length.le(positions / low));
  return at::where(medium, smoothed, scaled);
}

at::Tensor longrope(const Json& p, double theta, int64_t size, bool is_long) {
  const auto& list = p.at(is_long ? "long_factor" : "short_factor").as_array();
  if (static_cast<int64_t>(list.size()) != size / 2)
    throw ValueError(str("'rope_parameters': ", is_long ? "long_factor" : "short_factor", " has ", list.size(),
                         " numbers, a rotary size of ", size, " needs ", size / 2));
  std::vector<float> factors;
  for (const auto& item : list) factors.push_back(static_cast<float>(item.as_double()));
  return (at::tensor(factors) * wavelengths(theta, size)).reciprocal();
}

double magnitude(double factor, double scale) { return factor <= 1 ? 1.0 : 0.1 * scale * std::log(factor) + 1.0; }

double attention_factor(const Json& p, const std::string& type, double factor) {
  if (type != "yarn" && type != "longrope") return 1.0;
  if (const auto* given = p.find("attention_factor"); given && given->is_number()) return given->as_double();
  if (type == "longrope") {
    const double positions = p.at("original_max_position_embeddings").as_double();
    return factor <= 1 ? 1.0 : std::sqrt(1 + std::log(factor) / std::log(positions));
  }
  const double scale = p.get("mscale", 0.0), all = p.get("mscale_all_dim", 0.0);
  return scale != 0 && all != 0 ? magnitude(factor, scale) / magnitude(factor, all) : magnitude(factor, 1);
}

}  // namespace

Rotary::Rotary(const Options& options) : options_(options) {
  const Json& p = options_.parameters;
  type_ = p.get("rope_type", "default");
  theta_ = p.get("rope_theta", 10000.0);
  auto part = p.get("partial_rotary_factor", 1.0);
  if (part != 1 && !options_.may_be_partial) {
    // Llama's own kind of rope, the default, does not look at the factor; the others do, and then nothing fits.
    if (type_ != "default")
      throw ValueError(str("partial_rotary_factor is ", part, ", but models of this architecture rotate whole heads"));
    logging::warning_once(
        str("partial_rotary_factor is ", part, " and has no effect: models of this architecture rotate whole heads"));
    part = 1;
  }
  size_ = static_cast<int64_t>(static_cast<double>(options_.head_size) * part);
  constexpr int64_t kMostSize = 1 << 16;
  if (size_ > options_.head_size || size_ > kMostSize)
    throw ValueError(
        str("a rotary size of ", size_, " is more than the head size ", options_.head_size, " or ", kMostSize));
  if (size_ < 2 || size_ % 2 != 0)
    throw ValueError(str("a rotary size of ", size_, " (head size ", options_.head_size, ") is not even and positive"));
  factor_ = p.get("factor", 0.0);
  if (factor_ == 0 && p.contains("original_max_position_embeddings"))
    factor_ = static_cast<double>(options_.max_positions) / p.at("original_max_position_embeddings").as_double();
  attention_factor_ = attention_factor(p, type_, factor_);
  buffer("inv_freq", &inv_freq, frequencies(0), false);
  buffer("original_inv_freq", &original_inv_freq, inv_freq.clone(), false);
}

at::Tensor Rotary::frequencies(int64_t length) const {
  const Json& p = options_.parameters;
  if (type_ == "linear") return wavelengths(theta_, size_).reciprocal() / factor_;
  if (type_ == "yarn") return yarn(p, theta_, size_, factor_);
  if (type_ == "llama3") return llama3(p, theta_, size_);
  if (type_ == "longrope")
    return longrope(p, theta_, size_, length > p.at("original_max_position_embeddings").as_int());
  if (type_ == "dynamic") {
    const auto most = static_cast<double>(options_.max_positions);
    const double seen = std::max(static_cast<double>(length), most);
    const double grown = factor_ * seen / most - (factor_ - 1);
    const double exponent = static_cast<double>(size_) / static_cast<double>(size_ - 2);
    return wavelengths(theta_ * std::pow(grown, exponent), size_).reciprocal();
  }
  return wavelengths(theta_, size_).reciprocal();
}

Rotary::Tables Rotary::forward(const at::Tensor& positions, at::ScalarType dtype) const {
  auto inverse = inv_freq.to(at::kFloat);
  if ((type_ == "dynamic" || type_ == "longrope") && !positions.is_meta())
    inverse = frequencies(positions.max().item<int64_t>() + 1);
  const auto angles = positions.to(at::kFloat).unsqueeze(-1) * inverse.to(positions.device());
  const auto both = at::cat({angles, angles}, -1).unsqueeze(1);
  if (attention_factor_ == 1.0) return {both.cos().to(dtype), both.sin().to(dtype)};
  return {(both.cos() * attention_factor_).to(dtype), (both.sin() * attention_factor_).to(dtype)};
}

void apply_rotary(at::Tensor& q, at::Tensor& k, const at::Tensor& cos, const at::Tensor& sin) {
  const int64_t size = cos.size(-1);
  if (size == q.size(-1)) return kernels::apply_rotary(q, k, cos, sin);
  auto rotated_q = q.narrow(-1, 0, size), rotated_k = k.narrow(-1, 0, size);
  kernels::apply_rotary(rotated_q, rotated_k, cos, sin);
  q = at::cat({rotated_q, q.narrow(-1, size, q.size(-1) - size)}, -1);
  k = at::cat({rotated_k, k.narrow(-1, size, k.size(-1) - size)}, -1);
}

}  // namespace transformers::nn
