// The generation config in force, and what this version does not do.
#include "transformers/base/error.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/config/unsupported_generation.h"
#include "transformers/generation/detail/checks.h"
#include "transformers/generation/detail/plan.h"

namespace transformers::detail {

namespace {

void refuse_unsupported(const GenerationConfig& config) {
  const auto defaults = GenerationConfig::global_defaults();
  for (const auto& row : kUnsupportedFields) {
    const auto value = config.get(row.name);
    const bool is_neutral = !row.neutral.empty() && value == Json::parse(row.neutral);
    if (value.is_null() || is_neutral || value == defaults.get(row.name)) continue;
    throw NotImplementedError(
        str("generate: ", row.name, " is ", quote(value.dump()), ", which this version does not do; leave it unset"));
  }
  const auto cache = config.cache_implementation.value_or("dynamic");
  if (cache != "dynamic" && cache != "static")
    throw NotImplementedError(
        str("generate: cache_implementation is ", quote(cache), "; this version has dynamic and static"));
}

bool sets(const GenerateOptions& options, const PreTrainedModel& model, std::string_view field) {
  const auto* argument = options.kwargs.find(field);
  return (argument && !argument->is_null()) ||
         (options.generation_config && !options.generation_config->get(field).is_null()) ||
         (model.generation_config && !model.generation_config->get(field).is_null());
}

void refuse_unknown(const Json& unused) {
  if (unused.size() == 0) return;
  std::vector<std::string> known;
  GenerationConfig all;
  for (const auto& field : all.fields()) known.emplace_back(field.name);
  const auto& name = unused.as_object().front().first;
  const auto near = nearest(name, known);
  throw ValueError(str("generate has no option ", quote(name), near.empty() ? "" : "; did you mean ", join(near, ", "),
                       near.empty() ? "" : "?"));
}

}  // namespace

ResolvedConfig resolve_config(const PreTrainedModel& model, const GenerateOptions& options) {
  if (!options.kwargs.is_object())
    throw TypeError(str("generate: kwargs is a ", options.kwargs.type_name(), ", expected an object of fields"));
  ResolvedConfig resolved{.has_max_length = sets(options, model, "max_length"),
                          .has_min_length = sets(options, model, "min_length")};
  auto& config = resolved.config;
  if (options.generation_config) config = *options.generation_config;
  config.fill_from(model.generation_config ? *model.generation_config
                                           : GenerationConfig::from_model_config(*model.config));
  config.fill_from(GenerationConfig::global_defaults());
  refuse_unknown(config.update(options.kwargs));
  // An argument that is null is not set.
  config.fill_from(GenerationConfig::global_defaults());
  if (config.cache_implementation == "hybrid")
    config.cache_implementation.reset();  // old files; the model knows its windows
  if (options.generation_config && options.kwargs.size() > 0)
    logging::warning_once("generate: give either a generation_config or its fields as arguments; the arguments win");
  check_numbers(config);
  refuse_unsupported(config);
  return resolved;
}

}  // namespace transformers::detail
