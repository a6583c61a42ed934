#include "transformers/pretrained/detail/adapter_targets.h"

#include <algorithm>
#include <optional>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/modeling/adapter_state.h"
#include "transformers/placement/module_sizes.h"
#include "transformers/pretrained/detail/expression.h"

namespace transformers::detail {

namespace {

bool is_end_of(std::string_view end, std::string_view name) {
  return name == end || (name.size() > end.size() && name.ends_with(end) && name[name.size() - end.size() - 1] == '.');
}

bool is_named(const std::vector<std::string>& names, std::string_view name) {
  return std::any_of(names.begin(), names.end(), [&](const std::string& end) { return is_end_of(end, name); });
}

// The modules of the model itself, not what adapters have brought.
template <class Visit>
void visit_own_modules(PreTrainedModel& model, const Visit& visit) {
  visit_modules(model, [&](const std::string& name, torch::nn::Module& module) {
    const auto parts = split(name, '.');
    const bool is_brought = std::any_of(parts.begin(), parts.end(), [](std::string_view part) {
      return part == kReplacements || std::any_of(std::begin(kLoraTensorNames), std::end(kLoraTensorNames),
                                                  [&](const LoraTensorName& row) { return part == row.kind; });
    });
    if (!is_brought) visit(name, module);
  });
}

// Which layer numbers are meant, where the config names some.
class LayerFilter {
 public:
  LayerFilter(const LoraConfig& config, const std::string& where) {
    if (!config.layers_to_transform || config.layers_to_transform->empty()) return;
    wanted_ = *config.layers_to_transform;
    if (config.layers_pattern.empty()) patterns_.emplace_back(R"(.*?\.[^.]*\.(\d+)\.)", where);
    for (const auto& pattern : config.layers_pattern)
      patterns_.emplace_back(str("(?:^|.*?\\.)", pattern, "\\.(\\d+)\\."), where + ": layers_pattern");
  }

  [[nodiscard]] bool accepts(const std::string& name) const {
    if (!wanted_) return true;
    Expression::Groups groups;
    for (const auto& pattern : patterns_) {
      if (!pattern.matches_start(name, groups)) continue;
      const auto [begin, end] = groups.back();
      if (begin == std::string::npos || end - begin > 9) return false;
      return std::find(wanted_->begin(), wanted_->end(), std::stoll(name.substr(begin, end - begin))) != wanted_->end();
    }
    return false;
  }

 private:
  std::optional<std::vector<int64_t>> wanted_;
  std::vector<Expression> patterns_;
};

// A list of ends of names, or an expression of whole names.
class Selection {
 public:
  Selection(const ModuleSelection& modules, const std::string& what) : names_(modules.names) {
    if (!modules.expression.empty()) expression_ = Expression::of_all(modules.expression, what);
  }
  [[nodiscard]] bool names_exactly(const std::string& name) const {
    return std::find(names_.begin(), names_.end(), name) != names_.end();
  }
  [[nodiscard]] bool contains(const std::string& name) const {
    return expression_ ? expression_->matches_start(name) : is_named(names_, name);
  }
  [[nodiscard]] bool is_expression() const { return expression_.has_value(); }

 private:
  std::vector<std::string> names_;
  std::optional<Expression> expression_;
};

// The value of the first pattern that is the end of a name.
template <class Value>
class Patterns {
 public:
  Patterns(const std::vector<std::pair<std::string, Value>>& patterns, const std::string& what) {
    for (const auto& [pattern, value] : patterns)
      rows_.emplace_back(Expression(str("(.*\\.)?(", pattern, ")$"), what), value);
  }
  [[nodiscard]] Value value_for(const std::string& name, Value fallback) const {
    for (const auto& [pattern, value] : rows_)
      if (pattern.matches_start(name)) return value;
    return fallback;
  }

 private:
  std::vector<std::pair<Expression, Value>> rows_;
};

bool is_linear(const torch::nn::Module& module) {
  return dynamic_cast<const torch::nn::LinearImpl*>(&module) || dynamic_cast<const nn::Conv1D*>(&module);
}

// "all-linear" leaves the output layer out, or a classifier where there is none.
std::vector<std::string> all_linear(PreTrainedModel& model, const LoraConfig& config) {
  std::shared_ptr<torch::nn::Module> output = model.get_output_embeddings();
  if (!output && config.task_type == "SEQ_CLS")
    for (const auto* head : {"classifier", "score"})
      if (auto found = find_module(model, head)) output = found;
  std::vector<std::string> names;
  visit_own_modules(model, [&](const std::string& name, torch::nn::Module& module) {
    if (is_linear(module) && &module != output.get()) names.push_back(name);
  });
  return names;
}

// True for modules that the adapter saves as a whole, and what is inside them.
bool is_saved(const std::vector<std::string>& modules, const std::string& name) {
  return std::any_of(modules.begin(), modules.end(), [&](const std::string& module) {
    const auto dots = "." + name + ".";
    return dots.find("." + module + ".") != std::string::npos;
  });
}

nn::LoraLayer& layer_of(torch::nn::Module& module, const std::string& name, std::string_view where) {
  if (auto* layer = dynamic_cast<nn::LoraLayer*>(&module)) return *layer;
  const auto kind = plain_class_name(module);
  if (dynamic_cast<torch::nn::Conv2dImpl*>(&module))
    throw NotImplementedError(
        str(where, ": 'target_modules' means ", quote(name), ", a convolution, which has no LoRA in this version"));
  throw ValueError(str(where, ": 'target_modules' means ", quote(name), ", which is a ", kind,
                       "; only linear layers and embeddings can be adapted"));
}

[[noreturn]] void no_target(const PreTrainedModel& model, const LoraConfig& config, std::string_view where) {
  const auto& wanted = config.target_modules;
  throw ValueError(str(where, ": none of the modules of ", model.model_class().name,
                       " is what 'target_modules' means (",
                       wanted.expression.empty() ? quote(join(wanted.names, ", ")) : quote(wanted.expression),
                       "); the adapter belongs to another model"));
}

}  // namespace

std::vector<LoraTarget> find_lora_targets(PreTrainedModel& model, const LoraConfig& config,
                                          std::string_view where_from) {
  const std::string where(where_from);
  auto wanted = config.target_modules;
  if (to_lower_ascii(wanted.expression) == "all-linear") {
    wanted.expression.clear();
    wanted.names = all_linear(model, config);
  }
  const Selection targets(wanted, where + ": target_modules");
  const Selection excluded(config.exclude_modules, where + ": exclude_modules");
  const LayerFilter layers(config, where);
  const Patterns<int64_t> ranks(config.rank_pattern, where + ": rank_pattern");
  const Patterns<double> alphas(config.alpha_pattern, where + ": alpha_pattern");
  std::vector<LoraTarget> found;
  visit_own_modules(model, [&](const std::string& name, torch::nn::Module& module) {
    if (name.empty() || excluded.contains(name) || is_saved(config.modules_to_save, name)) return;
    if (!targets.contains(name)) return;
    if (!targets.is_expression() && !targets.names_exactly(name) && !layers.accepts(name)) return;
    const auto rank = ranks.value_for(name, config.r);
    const auto alpha = alphas.value_for(name, config.lora_alpha);
    found.push_back({name, &layer_of(module, name, where_from), rank, config.scaling(rank, alpha)});
  });
  if (found.empty()) no_target(model, config, where_from);
  return found;
}

std::vector<std::string> find_replaced_parameters(PreTrainedModel& model, const LoraConfig& config,
                                                  const std::vector<LoraTarget>& targets, std::string_view where) {
  std::vector<std::string> out;
  bool is_any_saved = false;
  const auto is_target = [&](const std::string& name) {
    return std::any_of(targets.begin(), targets.end(), [&](const LoraTarget& target) { return target.path == name; });
  };
  visit_own_modules(model, [&](const std::string& name, torch::nn::Module& module) {
    const bool all = is_saved(config.modules_to_save, name) && !name.empty();
    is_any_saved |= all;
    const bool bias = config.bias == "all" || (config.bias == "lora_only" && is_target(name));
    for (const auto& item : module.named_parameters(false))
      if (item.value().defined() && (all || (bias && item.key() == "bias"))) out.push_back(dotted(name, item.key()));
  });
  // Some may be missing: peft writes the names of both kinds of heads.
  if (!config.modules_to_save.empty() && !is_any_saved)
    throw ValueError(str(where, ": ", model.model_class().name, " has none of the modules of 'modules_to_save' (",
                         quote(join(config.modules_to_save, ", ")), "); name those that it has"));
  return out;
}

}  // namespace transformers::detail
