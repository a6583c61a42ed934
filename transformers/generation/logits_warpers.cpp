// Processors of sampling: they sharpen the distribution or cut its tail.
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/sort.h>
#include <ATen/ops/topk.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

#include "transformers/generation/detail/checks.h"
#include "transformers/generation/detail/scores.h"
#include "transformers/generation/logits_processors.h"

namespace transformers::detail {

namespace {

at::Tensor forbid(const at::Tensor& scores, const at::Tensor& where) {
  return at::Tensor(scores).masked_fill_(where, kNever);
}

// The smallest of the `count` highest scores of each row: (batch, 1).
at::Tensor kth_highest(const at::Tensor& scores, int64_t count) {
  const auto top = std::get<0>(at::topk(scores, std::min(count, scores.size(1)), -1));
  return top.slice(1, top.size(1) - 1);
}

// Entropy of each row, (batch, 1); tokens without a chance add nothing.
at::Tensor entropy(const at::Tensor& log_probs) {
  return (log_probs.exp() * log_probs.clamp_min(std::numeric_limits<float>::lowest())).sum(-1, /*keepdim=*/true).neg();
}

class Temperature final : public LogitsProcessor {
 public:
  explicit Temperature(double temperature) : temperature_(temperature) {}
  at::Tensor operator()(const at::Tensor&, const at::Tensor& scores) override {
    return at::Tensor(scores).div_(temperature_);
  }

 private:
  double temperature_;
};

class TopK final : public LogitsProcessor {
 public:
  explicit TopK(int64_t count) : count_(count) {}
  at::Tensor operator()(const at::Tensor&, const at::Tensor& scores) override {
    return forbid(scores, scores.lt(kth_highest(scores, count_)));
  }

 private:
  int64_t count_;
};

class TopP final : public LogitsProcessor {
 public:
  TopP(double mass, int64_t keep) : mass_(mass), keep_(keep) {}
  at::Tensor operator()(const at::Tensor&, const at::Tensor& scores) override {
    auto [sorted, index] = ascending(scores);
    auto remove = at::softmax(sorted, -1).cumsum(-1).le(1 - mass_);
    remove.slice(1, std::max<int64_t>(remove.size(1) - keep_, 0)).fill_(false);
    auto everything = at::ones(scores.sizes(), remove.options());
    return forbid(scores, everything.scatter_(1, index, remove));
  }

 private:
  // Scores from low to high with their places. After top_k few tokens have a chance, and only those are sorted.
  static std::tuple<at::Tensor, at::Tensor> ascending(const at::Tensor& scores) {
    const int64_t possible = scores.gt(kNever).sum(1).max().item<int64_t>();
    if (possible < 1 || possible > scores.size(1) / 8) return at::sort(scores, -1, /*descending=*/false);
    const auto [values, index] = at::topk(scores, possible, -1);
    return {values.flip(-1), index.flip(-1)};
  }

  double mass_;
  int64_t keep_;
};

class MinP final : public LogitsProcessor {
 public:
  MinP(double share, int64_t keep) : share_(share), keep_(keep) {}
  at::Tensor operator()(const at::Tensor&, const at::Tensor& scores) override {
    const auto probs = at::softmax(scores, -1);
    auto remove = probs.lt(probs.amax(-1, /*keepdim=*/true) * share_);
    remove.scatter_(1, std::get<1>(at::topk(probs, std::min(keep_, probs.size(1)), -1)), 0);
    return forbid(scores, remove);
  }

 private:
  double share_;
  int64_t keep_;
};

class TopH final : public LogitsProcessor {
 public:
  explicit TopH(double share) : share_(share) {}
  at::Tensor operator()(const at::Tensor&, const at::Tensor& scores) override {
    constexpr int64_t kMost = 100;  // the reference looks no further
    const auto [top, index] = at::topk(scores, std::min(kMost, scores.size(1)), -1);
    const auto log_probs = at::log_softmax(top, -1);
    const auto spent = (log_probs.exp() * log_probs).neg().cumsum(-1);
    auto remove_top = spent.le(entropy(log_probs) * share_).logical_not();
    remove_top.select(1, 0).fill_(false);
    auto remove = at::ones(scores.sizes(), remove_top.options());
    return forbid(scores, remove.scatter_(1, index, remove_top));
  }

 private:
  double share_;
};

class Typical final : public LogitsProcessor {
 public:
  Typical(double mass, int64_t keep) : mass_(mass), keep_(keep) {}
  at::Tensor operator()(const at::Tensor&, const at::Tensor& scores) override {
    const auto log_probs = at::log_softmax(scores, -1);
    const auto mean = (log_probs.exp() * log_probs).nansum(-1, /*keepdim=*/true).neg();
    const auto [distance, index] = at::sort((log_probs.neg() - mean).abs(), -1, /*descending=*/false);
    const auto mass = at::softmax(scores.gather(-1, index), -1).cumsum(-1);
    const auto last = mass.lt(mass_).sum(1, /*keepdim=*/true).clamp_max(scores.size(1) - 1);
    auto remove_sorted = distance.gt(distance.gather(1, last));
    remove_sorted.slice(1, 0, keep_).fill_(false);
    return forbid(scores, remove_sorted.scatter(1, index, remove_sorted));
  }

 private:
  double mass_;
  int64_t keep_;
};

class Epsilon final : public LogitsProcessor {
 public:
  Epsilon(double least, int64_t keep) : least_(least), keep_(keep) {}
  at::Tensor operator()(const at::Tensor&, const at::Tensor& scores) override {
    return forbid(scores, at::softmax(scores, -1).lt(least_).logical_and(scores.lt(kth_highest(scores, keep_))));
  }

 private:
  double least_;
  int64_t keep_;
};

class Eta final : public LogitsProcessor {
 public:
  Eta(double epsilon, int64_t keep) : epsilon_(epsilon), keep_(keep) {}
  at::Tensor operator()(const at::Tensor&, const at::Tensor& scores) override {
    const auto log_probs = at::log_softmax(scores, -1);
    const auto least = (entropy(log_probs).neg().exp() * std::sqrt(epsilon_)).clamp_max(epsilon_);
    return forbid(scores, log_probs.exp().lt(least).logical_and(scores.lt(kth_highest(scores, keep_))));
  }

 private:
  double epsilon_;
  int64_t keep_;
};

}  // namespace

MadeProcessor make_temperature(const ProcessorContext& c) {
  const double value = checked_number("temperature", c.config.temperature.value_or(1.0));
  return value == 1.0 ? nullptr : std::make_shared<Temperature>(value);
}

MadeProcessor make_top_h(const ProcessorContext& c) {
  return c.config.top_h ? std::make_shared<TopH>(checked_number("top_h", *c.config.top_h)) : nullptr;
}

MadeProcessor make_top_k(const ProcessorContext& c) {
  const int64_t count = c.config.top_k.value_or(0);
  checked_number("top_k", static_cast<double>(count));
  return count == 0 ? nullptr : std::make_shared<TopK>(std::max(count, c.min_tokens_to_keep));
}

MadeProcessor make_top_p(const ProcessorContext& c) {
  const double mass = checked_number("top_p", c.config.top_p.value_or(1.0));
  return mass < 1 ? std::make_shared<TopP>(mass, c.min_tokens_to_keep) : nullptr;
}

MadeProcessor make_min_p(const ProcessorContext& c) {
  if (!c.config.min_p) return nullptr;
  return std::make_shared<MinP>(checked_number("min_p", *c.config.min_p), c.min_tokens_to_keep);
}

MadeProcessor make_typical_p(const ProcessorContext& c) {
  const double mass = checked_number("typical_p", c.config.typical_p.value_or(1.0));
  return mass < 1 ? std::make_shared<Typical>(mass, c.min_tokens_to_keep) : nullptr;
}

MadeProcessor make_epsilon(const ProcessorContext& c) {
  const double least = checked_number("epsilon_cutoff", c.config.epsilon_cutoff.value_or(0.0));
  return least > 0 ? std::make_shared<Epsilon>(least, c.min_tokens_to_keep) : nullptr;
}

MadeProcessor make_eta(const ProcessorContext& c) {
  const double epsilon = checked_number("eta_cutoff", c.config.eta_cutoff.value_or(0.0));
  return epsilon > 0 ? std::make_shared<Eta>(epsilon, c.min_tokens_to_keep) : nullptr;
}

}  // namespace transformers::detail
