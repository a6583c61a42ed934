#include "transformers/modeling/check_inputs.h"

#include <algorithm>
#include <array>

#include "transformers/base/error.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/modeling/losses.h"
#include "transformers/nn/dtypes.h"

namespace transformers {

namespace {

// What the sizes of the inputs stand for. The first tensor that has a dimension says how large it is.
enum class Dim {
  Batch,
  Choices,
  Tokens,
  Target,
  Source,
  Hidden,
  // Made from those above and from the cache.
  AllTokens,
  AllTargets,
  OneOrBatch,
  OneOrTokens,
  OneOrTarget,
  OneOrHeads,
  Keys,
  Any
};
constexpr std::string_view kDimNames[] = {"batch",       "choices",       "tokens",        "target",     "source",
                                          "hidden",      "past + tokens", "past + target", "1 or batch", "1 or tokens",
                                          "1 or target", "1 or heads",    "keys",          "any"};

struct Pattern {
  size_t rank = 0;
  std::array<Dim, 4> dims = {};
};

enum class Kind { Ids, Mask, Floats, Pixels, Flags, Values };
constexpr std::string_view kKindNames[] = {"int64 or int32",          "bool, integers or floats", "floats",
                                           "floats or whole numbers", "bool, or zeros and ones",  "numbers"};

struct Rule {
  at::Tensor ModelInputs::*field;
  Kind kind = Kind::Ids;
  Few<Pattern, 3> patterns = {};
};

constexpr Pattern kRows = {2, {Dim::Batch, Dim::Tokens}};
constexpr Pattern kChoices = {3, {Dim::Batch, Dim::Choices, Dim::Tokens}};  // where a class takes several
constexpr Pattern kPositions = {2, {Dim::OneOrBatch, Dim::Tokens}};
constexpr Pattern kAdditive = {4, {Dim::OneOrBatch, Dim::OneOrHeads, Dim::OneOrTokens, Dim::Keys}};
constexpr Pattern kAdditiveTarget = {4, {Dim::OneOrBatch, Dim::OneOrHeads, Dim::OneOrTarget, Dim::Any}};
constexpr Pattern kAdditiveSource = {4, {Dim::OneOrBatch, Dim::OneOrHeads, Dim::Any, Dim::Source}};
constexpr Pattern kEach = {1, {Dim::Batch}};
constexpr Pattern kEachColumn = {2, {Dim::Batch, Dim::Any}};

using In = ModelInputs;

// In this order: what comes first says how large the dimensions are. `labels` depend on the class.
constexpr Rule kRules[] = {
    {&In::input_ids, Kind::Ids, {kRows, kChoices}},
    {&In::inputs_embeds,
     Kind::Floats,
     {{3, {Dim::Batch, Dim::Tokens, Dim::Hidden}}, {4, {Dim::Batch, Dim::Choices, Dim::Tokens, Dim::Hidden}}}},
    {&In::pixel_values, Kind::Pixels, {{4, {Dim::Batch, Dim::Any, Dim::Any, Dim::Any}}}},
    {&In::bool_masked_pos, Kind::Flags, {kEachColumn}},
    {&In::encoder_outputs, Kind::Floats, {{3, {Dim::Batch, Dim::Tokens, Dim::Hidden}}}},
    {&In::attention_mask,
     Kind::Mask,
     {{2, {Dim::Batch, Dim::AllTokens}}, {3, {Dim::Batch, Dim::Choices, Dim::AllTokens}}, kAdditive}},
    {&In::token_type_ids, Kind::Ids, {kPositions, kChoices}},
    {&In::position_ids, Kind::Ids, {kPositions, kChoices}},
    {&In::decoder_input_ids, Kind::Ids, {{2, {Dim::Batch, Dim::Target}}}},
    {&In::decoder_inputs_embeds, Kind::Floats, {{3, {Dim::Batch, Dim::Target, Dim::Hidden}}}},
    {&In::decoder_attention_mask, Kind::Mask, {{2, {Dim::Batch, Dim::AllTargets}}, kAdditiveTarget}},
    {&In::encoder_hidden_states, Kind::Floats, {{3, {Dim::Batch, Dim::Source, Dim::Hidden}}}},
    {&In::encoder_attention_mask, Kind::Mask, {{2, {Dim::Batch, Dim::Source}}, kAdditiveSource}},
    {&In::next_sentence_label, Kind::Ids, {kEach, kEachColumn}},
    {&In::start_positions, Kind::Ids, {kEach, kEachColumn}},
    {&In::end_positions, Kind::Ids, {kEach, kEachColumn}},
    {&In::mc_token_ids, Kind::Ids, {kEach, {2, {Dim::Batch, Dim::Choices}}, {3, {Dim::Batch, Dim::Choices, Dim::Any}}}},
    {&In::mc_labels, Kind::Ids, {kEach, kEachColumn}},
};

// The labels of a class by its task; a task that is not here has none.
struct LabelRule {
  Task task;
  Rule rule;
  std::string_view count = {};  // the config's number of classes; empty: num_labels
};
constexpr LabelRule kLabels[] = {
    {Task::PreTraining, {&In::labels, Kind::Ids, {kRows}}, "vocab_size"},
    {Task::CausalLM, {&In::labels, Kind::Ids, {kRows, kChoices}}, "vocab_size"},
    {Task::MaskedLM, {&In::labels, Kind::Ids, {kRows}}, "vocab_size"},
    {Task::None, {&In::labels, Kind::Ids, {kRows, kChoices}}, "vocab_size"},
    {Task::Seq2SeqLM, {&In::labels, Kind::Ids, {{2, {Dim::Batch, Dim::Target}}}}, "vocab_size"},
    {Task::TokenClassification, {&In::labels, Kind::Ids, {kRows}}},
    {Task::SequenceClassification, {&In::labels, Kind::Values, {kEach, kEachColumn}}},
    {Task::ImageClassification, {&In::labels, Kind::Values, {kEach, kEachColumn}}},
    {Task::MultipleChoice, {&In::labels, Kind::Ids, {kEach, kEachColumn}}},
    {Task::NextSentencePrediction, {&In::labels, Kind::Ids, {kEach, kEachColumn}}},
};

// One without the other gives no loss, and nobody is told.
struct Pair {
  Task task;
  at::Tensor ModelInputs::*one;
  at::Tensor ModelInputs::*other;
};
constexpr Pair kPairs[] = {{Task::QuestionAnswering, &In::start_positions, &In::end_positions}};

std::string_view name_of(at::Tensor ModelInputs::*field) {
  const auto fields = ModelInputs::fields();
  return std::find_if(fields.begin(), fields.end(), [&](const auto& f) { return f.second == field; })->first;
}

Task task_of(const PreTrainedModel& model) {
  const auto* row = find_model_class(typeid(model));
  return row ? row->task : Task::None;
}

const LabelRule* label_rule(Task task) {
  const auto* row = std::ranges::find(kLabels, task, &LabelRule::task);
  return row == std::end(kLabels) ? nullptr : row;
}

bool is_of(Kind kind, at::ScalarType type) {
  switch (kind) {
    case Kind::Ids: return type == at::kLong || type == at::kInt;
    case Kind::Floats: return at::isFloatingType(type);
    case Kind::Flags: return at::isIntegralType(type, /*includeBool=*/true);
    default: return at::isFloatingType(type) || at::isIntegralType(type, /*includeBool=*/kind != Kind::Pixels);
  }
}

class Checker {
 public:
  Checker(const PreTrainedModel& model, const ModelInputs& in) : model_(model), in_(in) {
    sizes_.fill(kUnknown);
    past_ = in.past_key_values ? in.past_key_values->length() : 0;
    if (past_ > 0) return;  // a decoding step: what its hidden states were made for was seen before
    for (const auto field : {&In::inputs_embeds, &In::encoder_outputs, &In::decoder_inputs_embeds})
      if ((in.*field).defined())
        if (const auto hidden = model.config->get("hidden_size"); hidden.is_int()) size(Dim::Hidden) = hidden.as_int();
  }

  void check() {
    for (const auto& rule : kRules)
      if ((in_.*rule.field).defined()) check(rule);
    if (in_.labels.defined()) check_labels();
    for (const auto& pair : kPairs) check(pair);
    if (in_.logits_to_keep < 0)
      throw ValueError(str("logits_to_keep is ", in_.logits_to_keep, ", expected 0 for all, or a number of tokens"));
    if (size(Dim::Tokens) > 1) check_length();
  }

 private:
  static constexpr int64_t kUnknown = -1;

  int64_t& size(Dim dim) { return sizes_[static_cast<size_t>(dim)]; }

  void check(const Rule& rule) {
    const auto& tensor = in_.*rule.field;
    if (!is_of(rule.kind, tensor.scalar_type()))
      throw ValueError(str(name_of(rule.field), " has the dtype ", info(to_data_type(tensor.scalar_type())).name,
                           ", expected ", kKindNames[static_cast<size_t>(rule.kind)]));
    if (!std::any_of(rule.patterns.begin(), rule.patterns.end(), [&](const auto& p) { return takes(p, tensor); }))
      throw_shape(rule);
    if (rule.kind == Kind::Mask) check_mask(rule, tensor);
    if (rule.kind == Kind::Flags && tensor.scalar_type() != at::kBool && !tensor.is_meta() &&
        tensor.ne(0).logical_and(tensor.ne(1)).any().item<bool>())
      throw ValueError(str(name_of(rule.field), " holds other numbers than 0 and 1"));
  }

  void check(const Pair& pair) const {
    const bool has_one = (in_.*pair.one).defined(), has_other = (in_.*pair.other).defined();
    if (has_one != has_other && task_of(model_) == pair.task)
      throw ValueError(str(name_of(has_one ? pair.one : pair.other), " is given without ",
                           name_of(has_one ? pair.other : pair.one), ", and the loss needs both; give both or none"));
  }

  void check_mask(const Rule& rule, const at::Tensor& mask) const {
    const auto type = mask.scalar_type();
    if (mask.dim() == 4 && at::isIntegralType(type, /*includeBool=*/false))
      throw ValueError(str(name_of(rule.field), " of 4 dimensions has the dtype ", info(to_data_type(type)).name,
                           ", expected bool, or floats that are added to the scores"));
    if (at::isFloatingType(type) && !mask.is_meta() && mask.isnan().any().item<bool>())
      throw ValueError(str(name_of(rule.field), " holds NaN; a mask is 1 where a token is seen and 0 where it is not"));
  }

  void check_labels() {
    if (const auto* row = label_rule(task_of(model_))) check(row->rule);
    if (in_.logits_to_keep > 0 && size(Dim::Tokens) > in_.logits_to_keep)
      throw ValueError("labels and logits_to_keep are given, but a loss needs the logits of every token");
  }

  void check_length() const {
    if (!model_.config->has_field("rope_parameters")) return;  // trained positions end in an error of their own
    const auto most = model_.config->get("max_position_embeddings");
    if (most.is_int() && past_ + sizes_[static_cast<size_t>(Dim::Tokens)] > most.as_int())
      warn_of_long_sequence(most.as_int());
  }

  // The size that a dimension must have; kUnknown while nothing has said so.
  [[nodiscard]] int64_t expected(Dim dim) const {
    const auto known = [&](Dim d) { return sizes_[static_cast<size_t>(d)]; };
    const auto with_past = [&](Dim d) { return known(d) == kUnknown ? kUnknown : past_ + known(d); };
    const bool has_encoder = model_.config->is_encoder_decoder;  // whose tokens are not those of the cache
    switch (dim) {
      case Dim::AllTokens: return has_encoder ? known(Dim::Tokens) : with_past(Dim::Tokens);
      case Dim::AllTargets: return with_past(Dim::Target);
      case Dim::OneOrBatch: return known(Dim::Batch);
      case Dim::OneOrTokens: return has_encoder ? kUnknown : known(Dim::Tokens);
      case Dim::OneOrTarget: return known(Dim::Target);
      case Dim::Keys:
        return in_.past_key_values ? kUnknown : known(Dim::Tokens);  // a static cache has more than tokens
      case Dim::OneOrHeads: {
        const auto heads = model_.config->get("num_attention_heads");
        return heads.is_int() ? heads.as_int() : kUnknown;
      }
      case Dim::Any: return kUnknown;
      default: return known(dim);
    }
  }

  bool takes(const Pattern& pattern, const at::Tensor& tensor) {
    const auto shape = tensor.sizes();
    if (shape.size() != pattern.rank) return false;
    for (size_t i = 0; i < shape.size(); ++i) {
      const auto dim = pattern.dims[i];
      if (dim == Dim::Choices && !model_.takes_choices()) return false;
      if (shape[i] < 1) return false;
      const bool may_be_one =
          dim == Dim::OneOrBatch || dim == Dim::OneOrTokens || dim == Dim::OneOrTarget || dim == Dim::OneOrHeads;
      if (may_be_one && shape[i] == 1) continue;
      if (const auto wanted = expected(dim); wanted != kUnknown && shape[i] != wanted) return false;
    }
    for (size_t i = 0; i < shape.size(); ++i)
      if (size(pattern.dims[i]) == kUnknown) size(pattern.dims[i]) = shape[i];
    return true;
  }

  [[nodiscard]] std::string describe(const Pattern& pattern) const {
    std::vector<std::string> sizes;
    for (size_t i = 0; i < pattern.rank; ++i) {
      const auto known = expected(pattern.dims[i]);
      const auto name = kDimNames[static_cast<size_t>(pattern.dims[i])];
      sizes.push_back(known == kUnknown ? std::string(name) : str(name, " ", known));
    }
    return str("(", join(sizes, ", "), ")");
  }

  [[noreturn]] void throw_shape(const Rule& rule) const {
    const auto& tensor = in_.*rule.field;
    const auto is_for_choices = [](const Pattern& p) { return p.rank > 1 && p.dims[1] == Dim::Choices; };
    std::vector<std::string> wanted;
    for (const auto& pattern : rule.patterns)
      if (!is_for_choices(pattern) || model_.takes_choices()) wanted.push_back(describe(pattern));
    throw ValueError(transformers::str(name_of(rule.field), " has the shape ", tensor.sizes(), ", expected ",
                                       join(wanted, " or "), tensor.numel() == 0 ? ", none of them 0" : ""));
  }

  const PreTrainedModel& model_;
  const ModelInputs& in_;
  std::array<int64_t, std::size(kDimNames)> sizes_ = {};
  int64_t past_ = 0;
};

// Ids that index a table of the model: the names of its size in the config, the first that is there.
struct Range {
  at::Tensor ModelInputs::*field;
  std::array<std::string_view, 2> keys = {};
};
constexpr Range kRanges[] = {{&In::input_ids, {"vocab_size"}},
                             {&In::decoder_input_ids, {"vocab_size"}},
                             {&In::position_ids, {"max_position_embeddings"}},
                             {&In::token_type_ids, {"type_vocab_size", "vocab_size"}}};

void explain_range(at::Tensor ModelInputs::*field, const at::Tensor& ids, int64_t count, bool may_be_ignored) {
  const auto kept = may_be_ignored ? ids.masked_select(ids.ne(kIgnoredLabel)) : ids;
  if (kept.numel() == 0) return;
  const int64_t low = kept.min().item<int64_t>(), high = kept.max().item<int64_t>();
  if (low < 0 || high >= count)
    throw ValueError(str(name_of(field), " holds ", low < 0 ? low : high, ", expected 0 to ", count - 1,
                         may_be_ignored ? ", or -100 for what no loss counts" : ""));
}

void explain_labels(const PreTrainedModel& model, const ModelInputs& in) {
  const auto* row = label_rule(task_of(model));
  if (!row || !in.labels.defined() || !at::isIntegralType(in.labels.scalar_type(), false)) return;
  auto count = row->count.empty() ? Json(model.config->num_labels()) : model.config->get(row->count);
  if (row->task == Task::NextSentencePrediction) count = 2;
  if (row->task == Task::MultipleChoice) {
    const auto& given = in.input_ids.defined() ? in.input_ids : in.inputs_embeds;
    count = given.defined() && given.dim() > 1 ? given.size(1) : 1;
  }
  if (count.is_int()) explain_range(&In::labels, in.labels, count.as_int(), /*may_be_ignored=*/true);
}

void explain_dtypes(const PreTrainedModel& model, const ModelInputs& in) {
  for (const auto field : {&In::inputs_embeds, &In::decoder_inputs_embeds, &In::encoder_outputs})
    if (const auto& tensor = in.*field; tensor.defined() && tensor.scalar_type() != model.dtype())
      throw ValueError(str(name_of(field), " has the dtype ", info(to_data_type(tensor.scalar_type())).name,
                           ", expected ", info(to_data_type(model.dtype())).name, " as the model"));
}

void explain_length(const PreTrainedModel& model, const ModelInputs& in) {
  const auto most = model.config->get("max_position_embeddings");
  const auto& given = in.input_ids.defined() ? in.input_ids : in.inputs_embeds;
  if (!most.is_int() || !given.defined() || given.dim() < 2) return;
  const int64_t tokens =
      (in.past_key_values ? in.past_key_values->length() : 0) + given.size(in.input_ids.defined() ? -1 : -2);
  if (tokens > most.as_int())
    throw ValueError(str("the input has ", tokens, " tokens, the model has max_position_embeddings ", most.as_int(),
                         "; shorten the input"));
}

}  // namespace

void check_inputs(const PreTrainedModel& model, const ModelInputs& inputs) { Checker(model, inputs).check(); }

void explain_failure(const PreTrainedModel& model, const ModelInputs& inputs) {
  for (const auto& [name, member] : ModelInputs::fields())
    if ((inputs.*member).is_meta()) return;  // values cannot be read
  explain_dtypes(model, inputs);
  const bool is_rotary = model.config->has_field("rope_parameters");  // takes any position
  for (const auto& range : kRanges) {
    const auto& ids = inputs.*range.field;
    if (!ids.defined() || (is_rotary && range.field == &In::position_ids)) continue;
    auto count = model.config->get(range.keys[0]);
    if (!count.is_int() && !range.keys[1].empty()) count = model.config->get(range.keys[1]);
    if (count.is_int()) explain_range(range.field, ids, count.as_int(), /*may_be_ignored=*/false);
  }
  explain_labels(model, inputs);
  if (!is_rotary && !inputs.position_ids.defined()) explain_length(model, inputs);
}

void warn_of_long_sequence(int64_t most) {
  logging::warning_once(str("the sequence is longer than max_position_embeddings, ", most,
                            "; what the model says from here may be poor"));
}

}  // namespace transformers
