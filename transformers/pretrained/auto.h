#pragma once

#include <memory>
#include <optional>
#include <string>

#include "transformers/generation/generate.h"
#include "transformers/pretrained/load.h"
#include "transformers/pretrained/save.h"
#include "transformers/tokenizers/auto_tokenizer.h"

namespace transformers {

/// Reads the config of a folder, a GGUF file or a Hub id; the class is chosen by `model_type`.
struct AutoConfig {
  [[nodiscard]] static std::shared_ptr<PretrainedConfig> from_pretrained(const std::string& name_or_path,
                                                                         const FromPretrainedOptions& options = {});
  /// A fresh config of a known type; throws ValueError naming the nearest known ones.
  [[nodiscard]] static std::shared_ptr<PretrainedConfig> for_model(std::string_view model_type);
  /// Makes the config class of the user's own model_type known: `AutoConfig::register_("mine", make_config<MyConfig>)`.
  /// Throws ValueError when the type is known, unless it is the user's and `exist_ok`; for the library's always.
  static void register_(const std::string& model_type, std::shared_ptr<PretrainedConfig> (*make)(),
                        bool exist_ok = false);
};

/// What `register_` adds to a model_type of the user's; see register_architecture for all of it at once.
void register_model_class(const std::string& model_type, const ModelClass& row, bool exist_ok);

/// The class of the config's architecture for `task`: among several the one that its `architectures` names, else the
/// first. Throws ValueError listing the architecture's classes when there is none.
[[nodiscard]] const ModelClass& class_for(const PretrainedConfig& config, Task task);

/// The class of the config's architecture called `name`; empty: the first of the config's `architectures`, the base
/// model without any. Throws ValueError listing the architecture's classes.
[[nodiscard]] const ModelClass& class_called(const PretrainedConfig& config, const std::string& name);

/// Arguments of from_config.
struct FromConfigOptions {
  std::optional<DtypeArg> dtype = {};
  std::optional<std::string> attn_implementation = {};  // "eager", "sdpa" or a registered name
};

/// Loads the class for a task.
template <Task kTask>
struct AutoModelOf {
  AutoModelOf() = delete;  // made by from_pretrained and from_config only
  [[nodiscard]] static LoadResult<PreTrainedModel> from_pretrained(const std::optional<std::string>& name_or_path,
                                                                   const FromPretrainedOptions& options = {});
  /// A model with fresh weights, in training mode: of `dtype`, else of the config's, else of the process's default. The
  /// config then says the type.
  [[nodiscard]] static std::shared_ptr<PreTrainedModel> from_config(const std::shared_ptr<PretrainedConfig>& config,
                                                                    const FromConfigOptions& options = {});
  /// Makes the user's class the one for this task: `AutoModel::register_("mine", model_class<MyModel>("MyModel",
  /// Task::Base))`. The config class is registered first. Throws ValueError when there is one, unless `exist_ok`.
  static void register_(const std::string& model_type, ModelClass row, bool exist_ok = false) {
    row.task = kTask;
    register_model_class(model_type, row, exist_ok);
  }
};

using AutoModel = AutoModelOf<Task::Base>;
using AutoModelForPreTraining = AutoModelOf<Task::PreTraining>;
using AutoModelForCausalLM = AutoModelOf<Task::CausalLM>;
using AutoModelForMaskedLM = AutoModelOf<Task::MaskedLM>;
using AutoModelForSeq2SeqLM = AutoModelOf<Task::Seq2SeqLM>;
using AutoModelForSequenceClassification = AutoModelOf<Task::SequenceClassification>;
using AutoModelForTokenClassification = AutoModelOf<Task::TokenClassification>;
using AutoModelForQuestionAnswering = AutoModelOf<Task::QuestionAnswering>;
using AutoModelForMultipleChoice = AutoModelOf<Task::MultipleChoice>;
using AutoModelForNextSentencePrediction = AutoModelOf<Task::NextSentencePrediction>;
using AutoModelForImageClassification = AutoModelOf<Task::ImageClassification>;
using AutoModelForMaskedImageModeling = AutoModelOf<Task::MaskedImageModeling>;
using AutoModelForTextEncoding = AutoModelOf<Task::TextEncoding>;

/// Loads the class that class_called gives.
[[nodiscard]] LoadResult<PreTrainedModel> load_by_class_name(const std::string& name_or_path, const std::string& name,
                                                             const FromPretrainedOptions& options = {});

}  // namespace transformers
