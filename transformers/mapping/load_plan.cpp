#include "transformers/mapping/load_plan.h"

#include <algorithm>
#include <set>
#include <unordered_map>
#include <utility>

#include "transformers/mapping/key_match.h"
#include "transformers/mapping/ops.h"

namespace transformers {

namespace {

// P63: names that weights had before 2020, and PyTorch's older ones of a weight-normed layer; the reference renames
// them too. The latter go both ways, as a model may have either.
constexpr std::pair<std::string_view, std::string_view> kSuffixes[] = {
    {"LayerNorm.gamma", "LayerNorm.weight"},
    {"LayerNorm.beta", "LayerNorm.bias"},
    {".weight_g", ".parametrizations.weight.original0"},
    {".weight_v", ".parametrizations.weight.original1"},
    {".parametrizations.weight.original0", ".weight_g"},
    {".parametrizations.weight.original1", ".weight_v"},
};
constexpr size_t kOldSuffixes = 2;  // the first of them, which no model of today has

std::optional<std::string> other_name(const std::string& key, size_t count = std::size(kSuffixes)) {
  for (const auto& [suffix, other] : std::span(kSuffixes).first(count))
    if (key.ends_with(suffix)) return key.substr(0, key.size() - suffix.size()) + std::string(other);
  return std::nullopt;
}

}  // namespace

std::string modern_name(const std::string& key) { return other_name(key, kOldSuffixes).value_or(key); }

namespace {

// The tensor of the model that a key stands for, and how the key came to it.
struct Target {
  std::string name = {};
  Op op = Op::Rename;
  int64_t heads = 0;
  bool is_renamed = false;                          // by more than the base model's prefix
  int prefix = 0;                                   // 1: that was added, -1: removed
  const std::span<const KeyRule>* rules = nullptr;  // those that renamed it
};

class Matcher {
 public:
  explicit Matcher(const LoadRequest& request) : request_(request) {
    for (const auto& tensor : request.model) model_.emplace(tensor.name, &tensor);
    prefix_ = std::string(request.base_model_prefix) + ".";
  }

  [[nodiscard]] const ModelTensor* find(const std::string& name) const {
    const auto it = model_.find(name);
    return it == model_.end() ? nullptr : it->second;
  }

  /// The tensor that a key, already in our spelling, stands for; absent when there is none.
  [[nodiscard]] std::optional<Target> target(const KeyTranslation& translated) const {
    const auto& key = translated.name;
    if (auto found = with_prefix(key)) return Target{found->name, translated.op, translated.heads, false, found->added};
    if (const auto other = other_name(key))
      if (auto found = with_prefix(*other))
        return Target{found->name, translated.op, translated.heads, true, found->added};
    if (translated.op != Op::Rename) return std::nullopt;  // the rules below are for names that no dialect knew
    for (const auto& rules : request_.rules)
      for (const auto& rule : rules) {
        auto renamed = apply_rule(rule, key);
        const bool is_bare = !renamed && key.starts_with(prefix_);
        if (is_bare) renamed = apply_rule(rule, std::string_view(key).substr(prefix_.size()));
        if (!renamed) continue;
        if (auto found = with_prefix(*renamed))
          return Target{found->name, rule.op, heads_of(request_.config, rule.heads), true, found->added - is_bare,
                        &rules};
      }
    return std::nullopt;
  }

  /// What the file would call the tensor if it had the base model's prefix as the model has it.
  [[nodiscard]] std::string with_models_prefix(const std::string& key, const Target& target) const {
    if (target.prefix > 0) return prefix_ + key;
    return target.prefix < 0 && key.starts_with(prefix_) ? key.substr(prefix_.size()) : key;
  }

  /// True when the key is one of the layout that `rules` describe, though the base model's prefix alone would do.
  [[nodiscard]] static bool is_of_layout(std::span<const KeyRule> rules, const std::string& key,
                                         const std::string& name) {
    return std::any_of(rules.begin(), rules.end(), [&](const KeyRule& rule) {
      return rule.op == Op::Rename && apply_rule(rule, key) == std::optional(name);
    });
  }

  [[nodiscard]] bool is_own_buffer(const std::string& key) const {
    const auto& own = request_.own_buffers;
    return own.contains(key) || own.contains(prefix_ + key) ||
           (key.starts_with(prefix_) && own.contains(key.substr(prefix_.size())));
  }

 private:
  struct Prefixed {
    std::string name;
    int added;  // -1: removed
  };
  [[nodiscard]] std::optional<Prefixed> with_prefix(const std::string& key) const {
    if (model_.contains(key)) return Prefixed{key, 0};
    if (auto added = prefix_ + key; model_.contains(added)) return Prefixed{std::move(added), 1};
    if (key.starts_with(prefix_))
      if (auto removed = key.substr(prefix_.size()); model_.contains(removed)) return Prefixed{std::move(removed), -1};
    return std::nullopt;
  }

  const LoadRequest& request_;
  std::unordered_map<std::string, const ModelTensor*> model_;
  std::string prefix_;
};

// The key in our spelling; absent when it is no weight at all.
std::optional<KeyTranslation> translate(const LoadRequest& request, const CheckpointEntry& entry) {
  auto key = request.rename ? request.rename(entry.name) : entry.name;
  if (!request.dialect) return KeyTranslation{.name = std::move(key)};
  return request.dialect->to_model(request.config, key, entry.shape);
}

bool is_ignored(const LoadRequest& request, std::string_view key) {
  return std::any_of(request.ignore_unexpected.begin(), request.ignore_unexpected.end(),
                     [&](std::string_view pattern) { return key_matches(pattern, key); });
}

}  // namespace

LoadPlan plan_load(const LoadRequest& request) {
  const Matcher matcher(request);
  const bool is_ours = !request.dialect || request.dialect->name == "transformers";
  LoadPlan plan;
  std::set<const std::span<const KeyRule>*> layouts;   // whose keys the file has
  std::unordered_map<std::string, std::string> taken;  // tensor → key that fills it
  for (const auto& entry : request.entries) {
    const auto translated = translate(request, entry);
    if (!translated) continue;
    const auto& key = translated->name;
    const auto target = matcher.target(*translated);
    if (!target) {
      if (!is_ignored(request, key) && !matcher.is_own_buffer(key)) plan.unexpected.push_back(modern_name(key));
      continue;
    }
    const auto [it, fresh] = taken.emplace(target->name, entry.name);
    if (!fresh)
      throw ValueError(str("the keys ", quote(it->second), " and ", quote(entry.name),
                           " of the checkpoint both stand for ", quote(target->name), "; remove one of them"));
    if (target->rules) layouts.insert(target->rules);
    const auto shape = shape_after(target->op, entry.shape);
    const auto& wanted = matcher.find(target->name)->shape;
    const bool is_renamed = is_ours && (target->is_renamed || key != entry.name);
    if (shape == wanted)
      plan.tensors.push_back({target->name, &entry, target->op, target->heads,
                              is_renamed ? matcher.with_models_prefix(entry.name, *target) : std::string()});
    else
      plan.mismatched.push_back({target->name, shape, wanted});
  }
  for (auto& tensor : plan.tensors)  // Meta's `norm.weight` among its `layers.0.attention.wq.weight`
    for (const auto* rules : layouts)
      if (tensor.original.empty() && is_ours && Matcher::is_of_layout(*rules, tensor.entry->name, tensor.name))
        tensor.original = tensor.entry->name;
  for (const auto& tensor : request.model)
    if (!taken.contains(tensor.name)) plan.missing.push_back(tensor.name);
  std::sort(plan.tensors.begin(), plan.tensors.end(),
            [](const auto& a, const auto& b) { return natural_less(a.name, b.name); });
  return plan;
}

}  // namespace transformers
