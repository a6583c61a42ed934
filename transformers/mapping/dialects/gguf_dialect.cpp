#include <algorithm>

#include "transformers/mapping/dialects.h"
#include "transformers/mapping/dialects/detail/gguf_fields.h"
#include "transformers/mapping/dialects/gguf.h"
#include "transformers/mapping/dialects/gguf_export.h"
#include "transformers/mapping/key_match.h"
#include "transformers/mapping/ops.h"

// The names of GGUF files as one dialect among others.

namespace transformers {

namespace {

bool is_ignored(std::string_view key) {
  const auto keys = gguf_ignored_keys();
  return std::any_of(keys.begin(), keys.end(), [&](std::string_view pattern) { return key_matches(pattern, key); });
}

// Of T5's feed-forward blocks those with a gate have other names; the file calls both alike.
bool is_gated(const Json& config) {
  return config.get("is_gated_act", false) || config.get("feed_forward_proj", "").starts_with("gated");
}

std::optional<KeyTranslation> to_model(const Json& config, std::string_view key, std::span<const int64_t> /*shape*/) {
  if (is_ignored(key)) return std::nullopt;
  KeyTranslation out{.name = std::string(key)};
  for (const auto& rule : detail::gguf_architecture_for(config).rules) {
    auto renamed = apply_rule(rule, key);
    if (!renamed) continue;
    out = {std::move(*renamed), rule.op, heads_of(config, rule.heads)};
    if (is_gated(config)) break;  // where two rules fit, the first is for blocks with a gate
  }
  return out;
}

std::optional<KeyTranslation> to_file(const Json& config, std::string_view name, std::span<const int64_t> /*shape*/) {
  auto target = gguf_target(config, name);
  if (!target) return std::nullopt;
  return KeyTranslation{std::move(target->name), target->op, target->heads};
}

// Output weights that the file lacks are the embedding's.
std::optional<std::string> shared_with(const Json& config, std::string_view name) {
  const auto target = gguf_target(config, name);
  if (!target || target->name != "output.weight") return std::nullopt;
  const auto embedding = to_model(config, "token_embd.weight", {});
  return embedding ? std::optional(embedding->name) : std::nullopt;
}

}  // namespace

extern constinit const KeyDialect gguf_dialect{
    .name = "gguf", .to_model = to_model, .to_file = to_file, .is_ignored = is_ignored, .shared_with = shared_with};

}  // namespace transformers
