#include "transformers/pretrained/auto.h"

#include <algorithm>
#include <mutex>
#include <set>
#include <span>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/nn/torch_errors.h"
#include "transformers/pretrained/detail/dtype_choice.h"
#include "transformers/pretrained/detail/source.h"

namespace transformers {

namespace {

// What stands in where an architecture has no class of its own for a task.
std::vector<Task> with_substitutes(Task task) {
  if (task == Task::PreTraining) return {task, Task::CausalLM, Task::Seq2SeqLM};
  if (task == Task::TextEncoding) return {task, Task::Base};
  return {task};
}

// Records hold views of names; those of the user's types live here.
std::string_view keep(const std::string& name) {
  static std::mutex mutex;
  static std::set<std::string, std::less<>> names;
  const std::lock_guard lock(mutex);
  return *names.insert(name).first;
}

}  // namespace

const ModelClass& class_called(const PretrainedConfig& config, const std::string& given) {
  const auto& name = given.empty() && !config.architectures.empty() ? config.architectures.front() : given;
  if (name.empty()) return class_for(config, Task::Base);
  const auto& architecture = architecture_of(config.model_type());
  std::vector<std::string> names;
  for (const auto& row : architecture.classes) {
    if (row.name == name) return row;
    names.emplace_back(row.name);
  }
  throw ValueError(
      str("the architecture ", config.model_type(), " has no class ", quote(name), "; it has ", join(names, ", ")));
}

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
  throw ValueError(
      str("the architecture ", config.model_type(), " has no class for this task; it has ", join(names, ", ")));
}

std::shared_ptr<PretrainedConfig> AutoConfig::from_pretrained(const std::string& name,
                                                              const FromPretrainedOptions& given) {
  auto options = modern_options(given);
  auto source = find_source(name, options);
  auto config = choose_config(source, options);
  if (options.kwargs.size() > 0)
    throw TypeError(
        str(config->model_type(), " configs have no field ", quote(options.kwargs.as_object().front().first)));
  return config;
}

std::shared_ptr<PretrainedConfig> AutoConfig::for_model(std::string_view model_type) {
  auto config = architecture_of(model_type).config();
  config->resolve();
  return config;
}

void AutoConfig::register_(const std::string& model_type, std::shared_ptr<PretrainedConfig> (*make)(), bool exist_ok) {
  if (!make || !make()) throw TypeError(str("the config class of ", quote(model_type), " cannot be made"));
  if (const auto found = make()->model_type(); found != model_type)
    throw ValueError(str("the config class is of model_type ", quote(found), ", it is registered as ",
                         quote(model_type), "; both must be the same"));
  Architecture architecture;
  architecture.model_type = keep(model_type);
  architecture.config = make;
  register_architecture(architecture, exist_ok);
}

void register_model_class(const std::string& model_type, const ModelClass& row, bool exist_ok) {
  if (!row.make || !row.type || row.name.empty())
    throw TypeError("a class is registered as model_class<M>(name, task) describes it");
  static std::mutex mutex;
  const std::lock_guard lock(mutex);  // what is changed below is a copy
  auto architecture = architecture_of(model_type);
  ModelClass* same = nullptr;
  for (auto& known : std::span(architecture.classes.data.data(), architecture.classes.size()))
    if (known.task == row.task) same = &known;
  if (same && !exist_ok)
    throw ValueError(str("the architecture ", model_type, " has the class ", same->name,
                         " for this task; set exist_ok to replace it"));
  if (!same && architecture.classes.size() == architecture.classes.data.size())
    throw ValueError(str("the architecture ", model_type, " has ", architecture.classes.size(), " classes, the most"));
  (same ? *same : architecture.classes.data[architecture.classes.count++]) = row;
  register_architecture(architecture, /*exist_ok=*/true);
}

namespace {

// from_pretrained with the class chosen by the config, so that files are read once.
template <class ChooseRow>
LoadResult<PreTrainedModel> load_chosen(const std::optional<std::string>& name, const FromPretrainedOptions& given,
                                        const ChooseRow& choose_row) {
  auto options = modern_options(given);
  auto source = find_source(name, options);
  const auto config = choose_config(source, options);
  return load_from(source, config, choose_row(*config), options);
}

}  // namespace

LoadResult<PreTrainedModel> load_by_class_name(const std::string& name_or_path, const std::string& name,
                                               const FromPretrainedOptions& options) {
  return load_chosen(name_or_path, options,
                     [&](const PretrainedConfig& config) -> const ModelClass& { return class_called(config, name); });
}

template <Task kTask>
LoadResult<PreTrainedModel> AutoModelOf<kTask>::from_pretrained(const std::optional<std::string>& name,
                                                                const FromPretrainedOptions& options) {
  return load_chosen(name, options,
                     [](const PretrainedConfig& config) -> const ModelClass& { return class_for(config, kTask); });
}

template <Task kTask>
std::shared_ptr<PreTrainedModel> AutoModelOf<kTask>::from_config(const std::shared_ptr<PretrainedConfig>& config,
                                                                 const FromConfigOptions& options) {
  if (!config) throw TypeError("from_config needs a config, none was given");
  const auto& row = class_for(*config, kTask);
  const auto dtype = dtype_of_config(*config, options.dtype, str(row.name, ": dtype"));
  if (options.attn_implementation) config->attn_implementation = *options.attn_implementation;
  const nn::ParameterScope scope({.dtype = dtype});
  return without_torch_errors(row.name, [&] { return row.make(config, Json::object()); });
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
