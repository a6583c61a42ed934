// save_original_format: what was renamed when a model was loaded (P53, P63).
#include <ATen/ops/equal.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "golden.h"
#include "transformers/base/error.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/weights_files.h"
#include "transformers/mapping/key_match.h"
#include "transformers/mapping/ops.h"
#include "transformers/nn/dtypes.h"
#include "transformers/placement/materialize.h"
#include "transformers/pretrained/auto.h"

namespace transformers::testing {
namespace {

namespace fs = std::filesystem;

std::set<std::string> keys_of(const fs::path& folder) {
  std::set<std::string> out;
  const auto reader = open_checkpoint(*find_weights(folder));
  for (const auto& entry : reader->entries()) out.insert(entry.name);
  return out;
}

std::set<std::string> keys_of(const StateDict& state) {
  std::set<std::string> out;
  for (const auto& [name, tensor] : state) out.insert(name);
  return out;
}

// `model` in the layout that its architecture's key rules read.
StateDict in_older_layout(const PreTrainedModel& model) {
  StateDict out;
  for (const auto& [name, tensor] : model.state_dict()) {
    std::string key = name;
    at::Tensor value = tensor.detach();
    for (const auto& rule : model.architecture().key_rules)
      if (auto older = invert_rule(rule, name)) {
        key = *older;
        if (rule.op != Op::Rename) {
          const auto view =
              view_of(inverse_of(rule.op), value.sizes(), heads_of(model.config->to_dict(), rule.heads), name);
          value = value.as_strided(view.sizes, view.strides).reshape(shape_after(inverse_of(rule.op), value.sizes()));
        }
        break;
      }
    out.set(key, value.clone());
  }
  return out;
}

LoadResult<PreTrainedModel> load(const StateDict& state, const PreTrainedModel& like) {
  return load_pretrained(std::nullopt, like.model_class(),
                         {.config = ConfigArg(like.config), .state_dict = state, .output_loading_info = true});
}

// Saves and loads `loaded` in both formats and compares the keys.
void expect_round_trip(PreTrainedModel& loaded, const std::set<std::string>& original) {
  const TemporaryFolder first, second;
  loaded.save_pretrained(first.path);
  EXPECT_EQ(keys_of(first.path), original);
  loaded.save_pretrained(second.path, {.save_original_format = false});
  auto in_memory = keys_of(loaded.state_dict());
  for (const auto& [target, source] : loaded.all_tied_weights_keys()) in_memory.erase(target);
  EXPECT_EQ(keys_of(second.path), in_memory);
  for (const auto& folder : {first.path, second.path}) {
    const auto again =
        load_by_class_name(folder, std::string(loaded.model_class().name), {.output_loading_info = true});
    EXPECT_EQ(again.loading_info->verdict, LoadingVerdict::Complete);
    for (const auto& [name, tensor] : loaded.state_dict())
      EXPECT_TRUE(at::equal(tensor, again->state_dict().at(name))) << name;
  }
}

TEST(OriginalFormat, UndoesTheLayoutOfMeta) {
  const logging::Capture quiet;
  for (const auto* name : {"LlamaForCausalLM", "mha", "mqa"}) {
    SCOPED_TRACE(name);
    const auto model = load_by_class_name(data_folder() / "llama/models" / name, "", {}).model;
    const auto older = in_older_layout(*model);
    ASSERT_TRUE(older.contains("layers.0.attention.wq.weight"));
    const auto loaded = load(older, *model);
    for (const auto& [key, tensor] : model->state_dict())
      EXPECT_TRUE(at::equal(tensor, loaded->state_dict().at(key))) << key;
    expect_round_trip(*loaded, keys_of(older));
    // The values are back in the file's order too.
    const TemporaryFolder folder;
    loaded->save_pretrained(folder.path);
    const auto saved = read_tensors(folder.path / "model.safetensors");
    for (const auto& [key, tensor] : older) EXPECT_TRUE(at::equal(tensor, saved.at(key))) << key;
  }
}

TEST(OriginalFormat, UndoesTheOldNamesOfNorms) {
  const logging::Capture quiet;
  const auto folder = data_folder() / "bert/loading/gamma_beta";
  const auto loaded = load_by_class_name(folder, "BertForPreTraining", {});
  const auto original = keys_of(folder);
  ASSERT_TRUE(original.contains("bert.embeddings.LayerNorm.gamma"));
  expect_round_trip(*loaded, [&] {
    auto keys = original;
    for (const auto& [target, source] : loaded->all_tied_weights_keys()) keys.erase(target);
    return keys;
  }());
}

// Of a body that was loaded from a model with a head, the names are the body's; of a head over a body's file, the
// head's.
TEST(OriginalFormat, KeepsThePrefixThatTheModelHas) {
  const logging::Capture quiet;
  const auto body = load_by_class_name(data_folder() / "bert/loading/gamma_beta", "BertModel", {});
  const TemporaryFolder folder;
  body->save_pretrained(folder.path);
  EXPECT_TRUE(keys_of(folder.path).contains("embeddings.LayerNorm.gamma"));
  const auto head = load_by_class_name(folder.path, "BertForQuestionAnswering", {});
  const TemporaryFolder other;
  head->save_pretrained(other.path);
  const auto keys = keys_of(other.path);
  EXPECT_TRUE(keys.contains("bert.embeddings.LayerNorm.gamma"));
  EXPECT_TRUE(keys.contains("qa_outputs.weight"));
  EXPECT_FALSE(keys.contains("embeddings.LayerNorm.gamma"));
}

TEST(OriginalFormat, UndoesTheCallersRenames) {
  const logging::Capture quiet;
  const auto model = load_by_class_name(data_folder() / "llama/models/LlamaForCausalLM", "", {}).model;
  StateDict renamed;
  for (const auto& [name, tensor] : model->state_dict()) renamed.set(replace_all(name, "mlp.", "ffn."), tensor.clone());
  FromPretrainedOptions options{.config = ConfigArg(model->config), .state_dict = renamed};
  options.key_mapping = std::map<std::string, std::string>{{"\\.ffn\\.", ".mlp."}};
  const auto loaded = load_pretrained(std::nullopt, model->model_class(), options);
  const TemporaryFolder folder;
  loaded->save_pretrained(folder.path);
  EXPECT_EQ(keys_of(folder.path), keys_of(renamed));
}

TEST(OriginalFormat, IsTheHubsWhereNothingWasLoadedAndTheFilesOwnWhereSomethingWas) {
  const logging::Capture quiet;
  const auto hub = data_folder() / "vit/models/ViTForImageClassification";
  const auto loaded = load_by_class_name(hub, "", {});
  expect_round_trip(*loaded, keys_of(hub));
  // A file with the names in memory keeps them, as no rule was needed to read it.
  const TemporaryFolder plain, again, made;
  loaded->save_pretrained(plain.path, {.save_original_format = false});
  load_by_class_name(plain.path, "", {})->save_pretrained(again.path);
  EXPECT_EQ(keys_of(again.path), keys_of(plain.path));
  AutoModelForImageClassification::from_config(loaded->config)->save_pretrained(made.path);
  EXPECT_EQ(keys_of(made.path), keys_of(hub));
}

}  // namespace
}  // namespace transformers::testing
