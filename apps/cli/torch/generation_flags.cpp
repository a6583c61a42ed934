#include "apps/cli/torch/generation_flags.h"

#include "apps/cli/options.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/generation/logits_processors.h"

namespace transformers::cli {

namespace {

// What has no effect is told when the model's own settings are known, not here.
class QuietScope {
 public:
  QuietScope() { logging::set_verbosity(logging::Level::Error); }
  ~QuietScope() { logging::set_verbosity(before_); }
  QuietScope(const QuietScope&) = delete;
  QuietScope& operator=(const QuietScope&) = delete;

 private:
  logging::Level before_ = logging::get_verbosity();
};

void check(const Json& fields) {
  const QuietScope quiet;
  GenerationConfig config{.do_sample = true};  // so that the fields of sampling count
  static_cast<void>(config.update(fields));
  for (const auto* name :
       {"eos_token_id", "forced_eos_token_id", "decoder_start_token_id", "suppress_tokens", "begin_suppress_tokens"})
    static_cast<void>(token_ids(config.get(name), name));
  static_cast<void>(make_logits_processors({.config = config, .eos = {0}}));
}

void drop_outputs(Json& fields) {
  std::erase_if(fields.as_object(), [](const auto& item) {
    const auto& [name, value] = item;
    if (!is_output_field(name) || value != Json(true)) return false;
    logging::warning(str("--", replace_all(name, "_", "-"), " has no effect: only ids and texts are printed"));
    return true;
  });
}

}  // namespace

Json checked_generation_fields(const Arguments& arguments, std::string_view command) {
  auto fields = generation_fields(arguments);
  try {
    check(fields);
  } catch (const NotImplementedError&) {
    throw;
  } catch (const Error& error) {
    throw UsageError(error.what(), str("transformers-cpp ", command, " --help"));
  }
  drop_outputs(fields);
  return fields;
}

}  // namespace transformers::cli
