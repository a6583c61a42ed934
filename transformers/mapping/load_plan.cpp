#include "transformers/mapping/load_plan.h"

#include <algorithm>
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
  [[nodiscard]] std::optional<KeyTranslation> target(const KeyTranslation& translated) const {
    const auto& key = translated.name;
    if (auto name = with_prefix(key)) return KeyTranslation{*name, translated.op, translated.heads};
    if (const auto other = other_name(key))
      if (auto name = with_prefix(*other)) return KeyTranslation{*name, translated.op, translated.heads};
    if (translated.op != Op::Rename) return std::nullopt;  // the rules below are for names that no dialect knew
    for (const auto& rules : request_.rules)
      for (const auto& rule : rules) {
        auto renamed = apply_rule(rule, key);
        if (!renamed && key.starts_with(prefix_))
          renamed = apply_rule(rule, std::string_view(key).substr(prefix_.size()));
        if (!renamed) continue;
        if (auto name = with_prefix(*renamed))
          return KeyTranslation{*name, rule.op, heads_of(request_.config, rule.heads)};
      }
    return std::nullopt;
  }

  [[nodiscard]] bool is_own_buffer(const std::string& key) const {
    const auto& own = request_.own_buffers;
    return own.contains(key) || own.contains(prefix_ + key) ||
           (key.starts_with(prefix_) && own.contains(key.substr(prefix_.size())));
  }

 private:
  [[nodiscard]] std::optional<std::string> with_prefix(const std::string& key) const {
    if (model_.contains(key)) return key;
    if (auto added = prefix_ + key; model_.contains(added)) return added;
    if (key.starts_with(prefix_))
      if (auto removed = key.substr(prefix_.size()); model_.contains(removed)) return removed;
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
  LoadPlan plan;
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
    const auto shape = shape_after(target->op, entry.shape);
    const auto& wanted = matcher.find(target->name)->shape;
    if (shape == wanted)
      plan.tensors.push_back({target->name, &entry, target->op, target->heads});
    else
      plan.mismatched.push_back({target->name, shape, wanted});
  }
  for (const auto& tensor : request.model)
    if (!taken.contains(tensor.name)) plan.missing.push_back(tensor.name);
  std::sort(plan.tensors.begin(), plan.tensors.end(),
            [](const auto& a, const auto& b) { return natural_less(a.name, b.name); });
  return plan;
}

}  // namespace transformers
