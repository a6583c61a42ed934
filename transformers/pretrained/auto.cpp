#include "transformers/pretrained/auto.h"

#include <algorithm>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/nn/dtypes.h"
#include "transformers/pretrained/source.h"

namespace transformers {

namespace {

// What stands in where an architecture has no class of its own for a task.
std::vector<Task> with_substitutes(Task task) {
  if (task == Task::PreTraining) return {task, Task::CausalLM, Task::Seq2SeqLM};
  if (task == Task::TextEncoding) return {task, Task::Base};
  return {task};
}

const ModelClass& row_called(const PretrainedConfig& config, const std::string& name) {
  const auto& architecture = architecture_of(config.model_type());
  std::vector<std::string> names;
  for (const auto& row : architecture.classes) {
    if (row.name == name) return row;
    names.emplace_back(row.name);
  }
  throw ValueError(str("the architecture ", config.model_type(), " has no class ", quote(name), "; it has ", join(names, ", ")));
}

std::shared_ptr<PretrainedConfig> config_of(const std::string& name, const FromPretrainedOptions& options) {
  if (options.config && std::holds_alternative<std::shared_ptr<PretrainedConfig>>(*options.config))
    return std::get<std::shared_ptr<PretrainedConfig>>(*options.config);
  if (options.config) return AutoConfig::from_pretrained(std::get<std::filesystem::path>(*options.config).string(), options);
  return AutoConfig::from_pretrained(name, options);
}

}  // namespace

const ModelClass& class_for(const PretrainedConfig& config, Task task) {
  const auto& architecture = architecture_of(config.model_type());
  const auto& trained = config.architectures;
  std::vector<std::string_view> names;
  for (const Task wanted : with_substitutes(task)) {
    const ModelClass* first = nullptr;
    for (const auto& row : architecture.classes) {
      if (wanted == task) names.push_back(row.name);
      if (row.task != wanted) continue;
      if (std::find(trained.begin(), trained.end(), row.name) != trained.end()) return row;
      if (!first) first = &row;
    }
    if (first) return *first;
  }
  throw ValueError(str("the architecture ", config.model_type(), " has no class for this task; it has ", join(names, ", ")));
}

std::shared_ptr<PretrainedConfig> AutoConfig::from_pretrained(const std::string& name, const FromPretrainedOptions& options) {
  auto source = find_source(name, options);
  auto config = make_config_object(read_config(source, options), name, options);
  config->name_or_path = name;
  return config;
}

std::shared_ptr<PretrainedConfig> AutoConfig::for_model(std::string_view model_type) {
  auto config = architecture_of(model_type).config();
  config->resolve();
  return config;
}

LoadResult<PreTrainedModel> load_by_class_name(const std::string& name_or_path, const std::string& name,
                                               const FromPretrainedOptions& options) {
  const auto config = config_of(name_or_path, options);
  if (!name.empty()) return load_pretrained(name_or_path, row_called(*config, name), options);
  if (config->architectures.empty()) return load_pretrained(name_or_path, class_for(*config, Task::Base), options);
  return load_pretrained(name_or_path, row_called(*config, config->architectures.front()), options);
}

template <Task kTask>
LoadResult<PreTrainedModel> AutoModelOf<kTask>::from_pretrained(const std::string& name, const FromPretrainedOptions& options) {
  return load_pretrained(name, class_for(*config_of(name, options), kTask), options);
}

template <Task kTask>
std::shared_ptr<PreTrainedModel> AutoModelOf<kTask>::from_config(const std::shared_ptr<PretrainedConfig>& config,
                                                                 const std::optional<std::string>& dtype) {
  if (!config) throw TypeError("from_config needs a config, none was given");
  const auto name = dtype ? *dtype : config->dtype.value_or("float32");
  const nn::ParameterScope scope({.dtype = floating_type(name, "dtype")});
  return class_for(*config, kTask).make(config, Json::object());
}

template struct AutoModelOf<Task::Base>;
template struct AutoModelOf<Task::PreTraining>;
template struct AutoModelOf<Task::CausalLM>;
template struct AutoModelOf<Task::MaskedLM>;
template struct AutoModelOf<Task::Seq2SeqLM>;
template struct AutoModelOf<Task::SequenceClassification>;
template struct AutoModelOf<Task::TokenClassification>;
template struct AutoModelOf<Task::QuestionAnswering>;
template struct AutoModelOf<Task::MultipleChoice>;
template struct AutoModelOf<Task::NextSentencePrediction>;
template struct AutoModelOf<Task::ImageClassification>;
template struct AutoModelOf<Task::MaskedImageModeling>;
template struct AutoModelOf<Task::TextEncoding>;

}  // namespace transformers
