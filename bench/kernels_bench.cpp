// Each kernel beside the ATen ops that it replaces, at the sizes of SmolLM2-135M; `--benchmark_filter=linear`.
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/silu.h>
#include <benchmark/benchmark.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "transformers/kernels/attention.h"
#include "transformers/kernels/cpu_features.h"
#include "transformers/kernels/gated_activation.h"
#include "transformers/kernels/linear.h"
#include "transformers/kernels/rms_norm.h"
#include "transformers/kernels/rotary.h"

namespace {

namespace kernels = transformers::kernels;

using Body = std::function<at::Tensor()>;

void add(const std::string& name, Body body, double bytes = 0) {
  benchmark::RegisterBenchmark(name.c_str(), [body = std::move(body), bytes](benchmark::State& state) {
    const at::NoGradGuard no_grad;
    for (auto _ : state) benchmark::DoNotOptimize(body());
    if (bytes > 0) state.SetBytesProcessed(static_cast<int64_t>(bytes) * state.iterations());
  })->UseRealTime();
}

// In turn over so many copies of the weights that no cache holds them, as the layers of a model do.
void add_linear(const std::string& kind, at::ScalarType dtype, int64_t rows, int64_t in, int64_t out) {
  const int64_t bytes = in * out * (dtype == at::kFloat ? 4 : 2);
  std::vector<at::Tensor> weights(std::max<int64_t>(1, rows > 16 ? 1 : 100'000'000 / bytes));
  for (at::Tensor& weight : weights) weight = at::randn({out, in}).to(dtype);
  const at::Tensor x = at::randn({rows, in}).to(dtype);
  const std::string name =
      "linear/" + kind + "/rows:" + std::to_string(rows) + "/" + std::to_string(in) + "x" + std::to_string(out);
  size_t next = 0;
  add(
      name + "/kernel", [=]() mutable { return kernels::linear(x, weights[next++ % weights.size()]); }, bytes);
  add(
      name + "/aten", [=]() mutable { return at::linear(x, weights[next++ % weights.size()]); }, bytes);
}

void add_attention(const std::string& kind, at::ScalarType dtype, int64_t seq, int64_t keys) {
  const at::Tensor q = at::randn({1, seq, 9, 64}).to(dtype).transpose(1, 2);
  const at::Tensor k = at::randn({1, 3, 2048, 64}).to(dtype).narrow(2, 0, keys), v = k.clone();
  const std::string name = "attention/" + kind + "/seq:" + std::to_string(seq) + "/keys:" + std::to_string(keys);
  add(name + "/kernel", [=] { return kernels::attention(q, k, v, {}, seq > 1, 0.125); });
  add(name + "/aten",
      [=] { return at::scaled_dot_product_attention(q, k, v, {}, 0.0, seq > 1, 0.125, /*enable_gqa=*/true); });
}

void add_elementwise(const std::string& kind, at::ScalarType dtype, int64_t seq) {
  const std::string end = "/" + kind + "/seq:" + std::to_string(seq);
  const at::Tensor x = at::randn({1, seq, 576}).to(dtype), weight = at::randn({576}).to(dtype);
  add("rms_norm" + end + "/kernel", [=] { return kernels::rms_norm(x, weight, 1e-5); });
  add("rms_norm" + end + "/aten", [=] {
    const at::Tensor wide = x.to(at::kFloat);
    return weight.mul(wide.mul(wide.pow(2).mean(-1, true).add(1e-5).rsqrt()).to(x.scalar_type()));
  });
  const at::Tensor gate = at::randn({1, seq, 1536}).to(dtype), up = gate.clone();
  add("silu" + end + "/kernel", [=] { return kernels::gated_activation(gate, up, kernels::Activation::Silu); });
  add("silu" + end + "/aten", [=] { return at::silu(gate).mul(up); });
  const at::Tensor q = at::randn({1, seq, 9, 64}).to(dtype).transpose(1, 2);
  const at::Tensor k = at::randn({1, seq, 3, 64}).to(dtype).transpose(1, 2);
  const at::Tensor cos = at::randn({1, 1, seq, 64}).to(dtype), sin = cos.clone();
  add("rotary" + end + "/kernel", [=] {
    at::Tensor a = q, b = k;
    kernels::apply_rotary(a, b, cos, sin);
    return a;
  });
  add("rotary" + end + "/aten", [=] {
    const auto rotate = [&](const at::Tensor& t) {
      const auto halves = t.chunk(2, -1);
      return t.mul(cos).add(at::cat({halves[1].neg(), halves[0]}, -1).mul(sin));
    };
    benchmark::DoNotOptimize(rotate(k));
    return rotate(q);
  });
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  benchmark::AddCustomContext("instruction set", std::string(kernels::active_instruction_set()));
  benchmark::AddCustomContext("threads", std::to_string(at::get_num_threads()));
  for (const auto& [kind, dtype] : {std::pair{"float32", at::kFloat}, {"bfloat16", at::kBFloat16}}) {
    for (const int64_t rows : {1, 4, 512}) {
      for (const auto& [in, out] : {std::pair{576, 192}, {576, 576}, {576, 1536}, {1536, 576}}) {
        add_linear(kind, dtype, rows, in, out);
      }
    }
    add_linear(kind, dtype, 1, 576, 49152);
    for (const auto& [seq, keys] : {std::pair{1, 64}, {1, 512}, {1, 2000}, {512, 512}}) {
      add_attention(kind, dtype, seq, keys);
    }
    for (const int64_t seq : {1, 512}) add_elementwise(kind, dtype, seq);
  }
  benchmark::RunSpecifiedBenchmarks();
}
