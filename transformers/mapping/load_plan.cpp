#include "transformers/mapping/load_plan.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "transformers/mapping/key_match.h"

namespace transformers {

namespace {

// Names that weights had before 2020; the reference renames them too.
constexpr std::pair<std::string_view, std::string_view> kOldSuffixes[] = {{"LayerNorm.gamma", "LayerNorm.weight"},
                                                                          {"LayerNorm.beta", "LayerNorm.bias"}};

std::string modern(const std::string& key) {
  for (const auto& [old_suffix, suffix] : kOldSuffixes)
    if (key.ends_with(old_suffix)) return key.substr(0, key.size() - old_suffix.size()) + std::string(suffix);
  return key;
}

struct Target {
  std::string name;
  Op op = Op::Rename;
  std::string_view heads = {};
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

  /// The tensor that a key of the file stands for; absent when there is none.
  [[nodiscard]] std::optional<Target> target(const std::string& key) const {
    if (auto name = with_prefix(key)) return Target{*name};
    if (auto name = with_prefix(modern(key))) return Target{*name};
    for (const auto& rules : request_.rules)
      for (const auto& rule : rules) {
        auto renamed = apply_rule(rule, key);
        if (!renamed && key.starts_with(prefix_))
          renamed = apply_rule(rule, std::string_view(key).substr(prefix_.size()));
        if (!renamed) continue;
        if (auto name = with_prefix(*renamed)) return Target{*name, rule.op, rule.heads};
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

bool is_ignored(const LoadRequest& request, std::string_view key) {
  return std::any_of(request.ignore_unexpected.begin(), request.ignore_unexpected.end(),
                     [&](std::string_view pattern) { return key_matches(pattern, key); });
}

}  // namespace

std::vector<int64_t> shape_after(Op op, const std::vector<int64_t>& shape) {
  if (op != Op::Transpose || shape.size() != 2) return shape;
  return {shape[1], shape[0]};
}

LoadPlan plan_load(const LoadRequest& request) {
  const Matcher matcher(request);
  LoadPlan plan;
  std::unordered_map<std::string, std::string> taken;  // tensor → key that fills it
  for (const auto& entry : request.entries) {
    const auto key = request.rename ? request.rename(entry.name) : entry.name;
    const auto target = matcher.target(key);
    if (!target) {
      if (!is_ignored(request, key) && !matcher.is_own_buffer(key)) plan.unexpected.push_back(modern(key));
      continue;
    }
    const auto [it, fresh] = taken.emplace(target->name, entry.name);
    if (!fresh)
      throw ValueError(str("the keys ", quote(it->second), " and ", quote(entry.name),
                           " of the checkpoint both stand for ", quote(target->name), "; remove one of them"));
    const auto shape = shape_after(target->op, entry.shape);
    const auto& wanted = matcher.find(target->name)->shape;
    if (shape == wanted)
      plan.tensors.push_back({target->name, &entry, target->op, std::string(target->heads)});
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
