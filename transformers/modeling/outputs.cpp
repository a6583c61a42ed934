#include "transformers/modeling/outputs.h"

#include "transformers/base/error.h"
#include "transformers/base/strings.h"

namespace transformers {

namespace {

constexpr ModelInputs::Field kInputs[] = {{"input_ids", &ModelInputs::input_ids},
                                          {"attention_mask", &ModelInputs::attention_mask},
                                          {"token_type_ids", &ModelInputs::token_type_ids},
                                          {"position_ids", &ModelInputs::position_ids},
                                          {"inputs_embeds", &ModelInputs::inputs_embeds},
                                          {"labels", &ModelInputs::labels},
                                          {"next_sentence_label", &ModelInputs::next_sentence_label},
                                          {"start_positions", &ModelInputs::start_positions},
                                          {"end_positions", &ModelInputs::end_positions},
                                          {"mc_token_ids", &ModelInputs::mc_token_ids},
                                          {"mc_labels", &ModelInputs::mc_labels},
                                          {"decoder_input_ids", &ModelInputs::decoder_input_ids},
                                          {"decoder_attention_mask", &ModelInputs::decoder_attention_mask},
                                          {"decoder_inputs_embeds", &ModelInputs::decoder_inputs_embeds},
                                          {"encoder_hidden_states", &ModelInputs::encoder_hidden_states},
                                          {"encoder_attention_mask", &ModelInputs::encoder_attention_mask},
                                          {"encoder_outputs", &ModelInputs::encoder_outputs},
                                          {"pixel_values", &ModelInputs::pixel_values},
                                          {"bool_masked_pos", &ModelInputs::bool_masked_pos}};

constexpr ModelOutput::Field kOutputs[] = {{"loss", &ModelOutput::loss},
                                           {"mc_loss", &ModelOutput::mc_loss},
                                           {"last_hidden_state", &ModelOutput::last_hidden_state},
                                           {"prediction_logits", &ModelOutput::prediction_logits},
                                           {"seq_relationship_logits", &ModelOutput::seq_relationship_logits},
                                           {"start_logits", &ModelOutput::start_logits},
                                           {"end_logits", &ModelOutput::end_logits},
                                           {"logits", &ModelOutput::logits},
                                           {"mc_logits", &ModelOutput::mc_logits},
                                           {"reconstruction", &ModelOutput::reconstruction},
                                           {"pooler_output", &ModelOutput::pooler_output},
                                           {"hidden_states", &ModelOutput::hidden_states},
                                           {"attentions", &ModelOutput::attentions},
                                           {"decoder_hidden_states", &ModelOutput::decoder_hidden_states},
                                           {"decoder_attentions", &ModelOutput::decoder_attentions},
                                           {"cross_attentions", &ModelOutput::cross_attentions},
                                           {"encoder_last_hidden_state", &ModelOutput::encoder_last_hidden_state},
                                           {"encoder_hidden_states", &ModelOutput::encoder_hidden_states},
                                           {"encoder_attentions", &ModelOutput::encoder_attentions}};

ModelOutput::Value value_of(const ModelOutput& output, const ModelOutput::Member& member) {
  return std::visit([&](auto pointer) -> ModelOutput::Value { return output.*pointer; }, member);
}

bool is_set(const ModelOutput::Value& value) {
  if (const auto* tensor = std::get_if<at::Tensor>(&value)) return tensor->defined();
  return !std::get<ModelOutput::Tuple>(value).empty();
}

}  // namespace

std::span<const ModelInputs::Field> ModelInputs::fields() { return kInputs; }

at::Tensor& ModelInputs::at(std::string_view name) {
  std::vector<std::string_view> names;
  for (const auto& [field, member] : kInputs) {
    if (field == name) return this->*member;
    names.push_back(field);
  }
  throw ValueError(str("no model takes an input called ", quote(name), "; known are ", join(names, ", ")));
}

std::span<const ModelOutput::Field> ModelOutput::fields() { return kOutputs; }

std::vector<std::string_view> ModelOutput::keys() const {
  std::vector<std::string_view> names;
  for (const auto& [name, member] : kOutputs)
    if (is_set(value_of(*this, member))) names.push_back(name);
  return names;
}

ModelOutput::Value ModelOutput::operator[](std::string_view name) const {
  for (const auto& [field, member] : kOutputs)
    if (field == name && is_set(value_of(*this, member))) return value_of(*this, member);
  throw KeyError(str("the output has no ", quote(name), "; it has ", join(keys(), ", ")));
}

ModelOutput::Value ModelOutput::operator[](size_t index) const {
  const auto names = keys();
  if (index < names.size()) return (*this)[names[index]];
  throw KeyError(str("the output has ", names.size(), " values, there is none at ", index));
}

std::vector<ModelOutput::Value> ModelOutput::to_tuple() const {
  std::vector<Value> values;
  for (const auto name : keys()) values.push_back((*this)[name]);
  return values;
}

std::vector<std::pair<std::string, at::Tensor>> ModelOutput::flatten() const {
  std::vector<std::pair<std::string, at::Tensor>> flat;
  for (const auto name : keys()) {
    const auto value = (*this)[name];
    if (const auto* tensor = std::get_if<at::Tensor>(&value)) {
      flat.emplace_back(name, *tensor);
      continue;
    }
    const auto& tuple = std::get<Tuple>(value);
    for (size_t i = 0; i < tuple.size(); ++i)
      if (tuple[i].defined()) flat.emplace_back(str(name, ".", i), tuple[i]);
  }
  return flat;
}

void collect_tensors(ModelInputs& inputs, nn::Tensors& out) {
  for (const auto& [name, member] : kInputs)
    if ((inputs.*member).defined()) out.push_back(&(inputs.*member));
}

void collect_tensors(ModelOutput& output, nn::Tensors& out) {
  for (const auto& [name, member] : kOutputs) {
    if (const auto* tensor = std::get_if<at::Tensor ModelOutput::*>(&member)) {
      if ((output.**tensor).defined()) out.push_back(&(output.**tensor));
    } else {
      for (auto& item : output.*std::get<ModelOutput::Tuple ModelOutput::*>(member))
        if (item.defined()) out.push_back(&item);
    }
  }
}

}  // namespace transformers
