#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <typeinfo>
#include <vector>

#include "transformers/config/config.h"
#include "transformers/mapping/key_rule.h"

namespace transformers {

class PreTrainedModel;

/// What a head is for; one Auto class each.
enum class Task {
  Base,
  PreTraining,
  CausalLM,
  MaskedLM,
  Seq2SeqLM,
  SequenceClassification,
  TokenClassification,
  QuestionAnswering,
  MultipleChoice,
  NextSentencePrediction,
  ImageClassification,
  MaskedImageModeling,
  TextEncoding,
  None,
};

/// One class of an architecture.
struct ModelClass {
  std::string_view name = {};
  Task task = Task::None;
  // `arguments`: what the constructor takes beside the config (add_pooling_layer); unknown ones: TypeError.
  std::shared_ptr<PreTrainedModel> (*make)(const std::shared_ptr<PretrainedConfig>&, const Json& arguments) = nullptr;
  const std::type_info* type = nullptr;
  Few<TiedWeight> tied = {};  // applied while config.tie_word_embeddings holds
  bool can_generate = false;
  std::string_view base_model_prefix = {};       // empty: the architecture's
  Few<std::string_view> ignore_missing = {};     // key patterns (see KeyRule) that may be absent from a file
  Few<std::string_view> ignore_unexpected = {};  // key patterns of a file that are dropped without a word
};

/// One record per architecture: everything that the loader, the saver, the placer and the Auto classes must know.
struct Architecture {
  std::string_view model_type = {};
  std::string_view base_model_prefix = "model";
  std::string_view main_input_name = "input_ids";
  std::shared_ptr<PretrainedConfig> (*config)() = nullptr;
  Few<ModelClass, 16> classes = {};
  Few<std::string_view> no_split = {};
  Few<std::string_view> keep_in_fp32 = {};         // parts of names that stay float32 in a float16 model
  Few<std::string_view> keep_in_fp32_strict = {};  // and in a bfloat16 one too
  Few<std::string_view> ignore_unexpected = {};
  std::span<const KeyRule> file_rules = {};  // names in the files of the Hub where they are not ours; undone on save
  std::span<const KeyRule> key_rules = {};   // other layouts that its checkpoints come in; read only
};

/// Every architecture: the library's, alphabetical, then those that were registered. Defined in models/registry.cpp.
[[nodiscard]] std::vector<const Architecture*> architectures();
/// Makes an architecture of the user's known by its model_type; what its record points to must live as long as the
/// program. Throws ValueError when the model_type is known, unless `exist_ok`: then it takes the older one's place.
/// Safe to call from any thread.
void register_architecture(const Architecture& architecture, bool exist_ok = false);
/// The architecture of a `model_type`; throws ValueError naming the nearest known ones and where to add it.
[[nodiscard]] const Architecture& architecture_of(std::string_view model_type);
/// The row of a class by the reference's name ("BertForMaskedLM") or by C++ type; null when it is unknown.
[[nodiscard]] const ModelClass* find_model_class(std::string_view name);
[[nodiscard]] const ModelClass* find_model_class(const std::type_info& type);

template <class C>
std::shared_ptr<PretrainedConfig> make_config() {
  return std::make_shared<C>();
}

[[noreturn]] void throw_unknown_arguments(const std::type_info& model_class, const Json& arguments);
[[noreturn]] void throw_wrong_config(const std::type_info& model_class, const PretrainedConfig* config,
                                     std::string_view expected);

/// `config`, which the class M needs; throws TypeError when it is null.
template <class M, class C>
[[nodiscard]] const std::shared_ptr<C>& given(const std::shared_ptr<C>& config) {
  if (!config) throw_wrong_config(typeid(M), nullptr, C().model_type());
  return config;
}

/// A row of `Architecture::classes`; the constructor takes `const std::shared_ptr<C>&`, C being `M::Config`. A class
/// with further arguments has `static std::shared_ptr<M> make(const std::shared_ptr<C>&, Json& arguments)`, which
/// erases those that it knows.
template <class M, class C = typename M::Config>
constexpr ModelClass model_class(std::string_view name, Task task, Few<TiedWeight> tied = {}, bool can_generate = false,
                                 std::string_view base_model_prefix = {}) {
  return {.name = name,
          .task = task,
          .make = [](const std::shared_ptr<PretrainedConfig>& config,
                     const Json& wanted) -> std::shared_ptr<PreTrainedModel> {
            auto typed = std::dynamic_pointer_cast<C>(config);
            if (!typed) throw_wrong_config(typeid(M), config.get(), C().model_type());
            if constexpr (requires(Json & arguments) { M::make(typed, arguments); }) {
              Json arguments = wanted;
              auto model = M::make(typed, arguments);
              if (arguments.size() > 0) throw_unknown_arguments(typeid(M), arguments);
              return model;
            } else {
              if (wanted.size() > 0) throw_unknown_arguments(typeid(M), wanted);
              return std::make_shared<M>(typed);
            }
          },
          .type = &typeid(M),
          .tied = tied,
          .can_generate = can_generate,
          .base_model_prefix = base_model_prefix};
}

}  // namespace transformers
