#include "transformers/mapping/dialects/frameworks.h"

#include <algorithm>
#include <vector>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/mapping/key_match.h"
#include "transformers/mapping/ops.h"

namespace transformers::detail {

namespace {

bool fits_rank(const KeyRule& rule, size_t rank) { return rule.rank == 0 || rule.rank == rank; }

const FrameworkArchitecture& row_for(const Framework& framework, const Json& config) {
  if (const auto* row = find_row(framework, config)) return *row;
  std::vector<std::string_view> known;
  for (const auto& row : framework.architectures) known.push_back(row.model_type);
  throw ValueError(str("the names of a ", quote(config.get("model_type", "")), " model in files of the dialect ",
                       quote(framework.name), " are not known; known are those of ", join(known, ", ")));
}

// The config's class is the base model: its tensors have no prefix with us, but in the file.
bool lacks_prefix(const FrameworkArchitecture& row, const Json& config) {
  return !row.base_prefix.empty() && first_class(config) == row.base_class;
}

void apply_scope(const FrameworkArchitecture& row, std::string& name) {
  for (const auto& rule : row.scopes)
    if (auto renamed = apply_rule(rule, name)) {
      name = std::move(*renamed);
      return;
    }
}

void undo_scope(const FrameworkArchitecture& row, std::string& name) {
  for (const auto& rule : row.scopes)
    if (auto renamed = invert_rule(rule, name)) {
      name = std::move(*renamed);
      return;
    }
}

bool apply_leaf(std::span<const KeyRule> rules, KeyTranslation& key, size_t rank) {
  for (const auto& rule : rules)
    if (auto renamed = fits_rank(rule, rank) ? apply_rule(rule, key.name) : std::nullopt) {
      key.name = std::move(*renamed);
      key.op = rule.op;
      return true;
    }
  return false;
}

bool undo_leaf(std::span<const KeyRule> rules, KeyTranslation& key, std::span<const int64_t> shape,
               bool only_by_name = false) {
  for (const auto& rule : rules) {
    if (only_by_name && rule.to != key.name) continue;
    if (!fits_rank(rule, shape_after(inverse_of(rule.op), shape).size())) continue;
    if (auto renamed = invert_rule(rule, key.name)) {
      key.name = std::move(*renamed);
      key.op = rule.op;
      return true;
    }
  }
  return false;
}

}  // namespace

const FrameworkArchitecture* find_row(const Framework& framework, const Json& config) {
  const std::string type = config.is_object() ? std::string(config.get("model_type", "")) : std::string();
  const auto row = std::find_if(framework.architectures.begin(), framework.architectures.end(),
                                [&](const FrameworkArchitecture& r) { return r.model_type == type; });
  return row == framework.architectures.end() ? nullptr : &*row;
}

std::string first_class(const Json& config) {
  const auto* classes = config.find("architectures");
  if (!classes || !classes->is_array() || classes->size() == 0 || !classes->as_array()[0].is_string()) return {};
  return classes->as_array()[0].as_string();
}

bool is_ignored(const Framework& framework, std::string_view key) {
  const auto normal = framework.normal(key, nullptr);
  return std::any_of(framework.ignored.begin(), framework.ignored.end(),
                     [&](std::string_view pattern) { return key_matches(pattern, normal); });
}

std::optional<KeyTranslation> to_model(const Framework& framework, const Json& config, std::string_view key,
                                       std::span<const int64_t> shape) {
  if (is_ignored(framework, key)) return std::nullopt;
  const auto* row = find_row(framework, config);
  KeyTranslation out{.name = framework.normal(key, row)};
  if (row) apply_scope(*row, out.name);
  if (!row || !apply_leaf(row->leaves, out, shape.size())) apply_leaf(framework.common, out, shape.size());
  if (row && lacks_prefix(*row, config))
    if (const auto prefix = str(row->base_prefix, "."); out.name.starts_with(prefix)) out.name.erase(0, prefix.size());
  return out;
}

std::optional<KeyTranslation> to_file(const Framework& framework, const Json& config, std::string_view name,
                                      std::span<const int64_t> shape) {
  const auto& row = row_for(framework, config);
  if (is_derived_tensor(name)) return std::nullopt;
  KeyTranslation out{.name = std::string(name)};
  if (lacks_prefix(row, config)) out.name = str(row.base_prefix, ".", name);
  // What another tensor serves for has a place of its own only where a rule says so by name (T5's output weights).
  const bool is_shared = shared_with(framework, config, name).has_value();
  if (!undo_leaf(row.leaves, out, shape, is_shared) && (is_shared || !undo_leaf(framework.common, out, shape)))
    return std::nullopt;
  undo_scope(row, out.name);
  out.name = framework.spell(out.name, row, config);
  return out;
}

std::optional<std::string> shared_with(const Framework& framework, const Json& config, std::string_view name) {
  const auto* row = find_row(framework, config);
  if (!row) return std::nullopt;
  for (const auto& tie : row->shared)
    if (tie.name == name) return std::string(tie.source);
  return std::nullopt;
}

}  // namespace transformers::detail
