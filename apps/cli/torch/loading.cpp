#include "apps/cli/torch/loading.h"

#include <ATen/Parallel.h>

#include "apps/cli/options.h"
#include "transformers/base/strings.h"

namespace transformers::cli {

namespace {

void refuse_later_options(const Arguments& arguments) {
  for (const auto* name : {"max-memory", "offload-folder", "quantize", "assistant-model"})
    if (arguments.has(name)) throw NotImplementedError(str("--", name, " is not part of this version"));
  if (const auto map = arguments.text("device-map", "cpu"); map != "cpu")
    throw NotImplementedError(str("--device-map ", map, " is not part of this version; models run on the CPU"));
}

const ModelClass& generating_class(const PretrainedConfig& config) {
  for (const auto& name : config.architectures)
    if (const auto* row = find_model_class(name); row && row->can_generate) return *row;
  return class_for(config, config.is_encoder_decoder ? Task::Seq2SeqLM : Task::CausalLM);
}

// Reads the config once, for the choice of the class and for loading.
std::shared_ptr<PretrainedConfig> read_config(const Arguments& arguments, FromPretrainedOptions& options) {
  const auto config = AutoConfig::from_pretrained(arguments.positional.front(), options);
  options.config = config;
  options.kwargs = Json::object();  // the commands set fields of the config only: it has them now
  return config;
}

}  // namespace

FromPretrainedOptions loading_arguments(const Arguments& arguments) {
  refuse_later_options(arguments);
  if (arguments.has("threads"))
    at::set_num_threads(static_cast<int>(std::min<int64_t>(arguments.integer("threads", 1), 1024)));
  FromPretrainedOptions options{.local_files_only = arguments.has("local-files-only"),
                                .revision = arguments.text("revision", "main"),
                                .attn_implementation = arguments.find("attn-implementation"),
                                .dtype = arguments.text("dtype", "auto"),
                                .subfolder = arguments.text("subfolder"),
                                .variant = arguments.find("variant")};
  if (const auto folder = arguments.find("cache-dir")) options.cache_dir = *folder;
  return options;
}

LoadResult<PreTrainedModel> load_model(const Arguments& arguments, FromPretrainedOptions options) {
  static_cast<void>(read_config(arguments, options));
  return load_by_class_name(arguments.positional.front(), arguments.text("class"), options);
}

std::shared_ptr<PreTrainedModel> load_generator(const Arguments& arguments) {
  auto options = loading_arguments(arguments);
  if (arguments.has("class")) return load_model(arguments, options);
  const auto config = read_config(arguments, options);
  return load_pretrained(arguments.positional.front(), generating_class(*config), options);
}

std::shared_ptr<PreTrainedTokenizer> load_tokenizer(const Arguments& arguments) {
  return AutoTokenizer::from_pretrained(tokenizer_path(arguments));
}

}  // namespace transformers::cli
