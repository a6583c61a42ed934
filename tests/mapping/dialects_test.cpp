#include "transformers/mapping/dialects.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "transformers/base/error.h"
#include "transformers/base/files.h"
#include "transformers/base/strings.h"
#include "transformers/mapping/ops.h"

namespace transformers {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;
using Shape = std::vector<int64_t>;

const fs::path kData = fs::path(TRANSFORMERS_TEST_DATA);

Shape shape_of(const Json& list) {
  Shape out;
  for (const auto& size : list.as_array()) out.push_back(size.as_int());
  return out;
}

Json config_of(std::string_view model_type, std::string_view model_class) {
  Json config = Json::object();
  config["model_type"] = model_type;
  config["architectures"] = Json::Array{model_class};
  return config;
}

const std::map<std::string, Op> kOps = {{"", Op::Rename},         {"0", Op::Rename},       {"01", Op::Rename},
                                        {"012", Op::Rename},      {"10", Op::Transpose},   {"210", Op::Transpose},
                                        {"3201", Op::HwioToOihw}, {"squeeze", Op::Squeeze}};

// Another spelling of the same op: values in an order that axes of size 1 do not change.
void check_both_ways(const KeyDialect& dialect, const Json& config, const std::string& key, const Shape& shape,
                     const std::vector<std::string>& ours, Op op) {
  const auto where = str(dialect.name, " ", config.dump(), " ", key);
  const auto there = dialect.to_model(config, key, shape);
  ASSERT_TRUE(there) << where;
  EXPECT_TRUE(std::find(ours.begin(), ours.end(), there->name) != ours.end())
      << where << " became " << there->name << ", expected " << join(ours, " or ");
  EXPECT_EQ(there->op, op) << where;
  const auto back = dialect.to_file(config, there->name, shape_after(there->op, shape));
  ASSERT_TRUE(back) << where << " from " << there->name;
  EXPECT_EQ(back->name, key) << "from " << there->name;
  EXPECT_EQ(back->op, there->op) << where;
  for (const auto& name : ours) {
    if (name == there->name) continue;
    if (const auto shared = dialect.shared_with(config, name))
      EXPECT_EQ(*shared, there->name) << where << ": " << name;
    else  // ALBERT's output bias is two variables in Keras
      EXPECT_TRUE(dialect.to_file(config, name, shape_after(op, shape))) << where << ": " << name;
  }
}

// T11, F21, F22: every variable that the reference makes of a class, paired with ours by its values.
TEST(Dialects, KnowEveryVariableOfTheReference) {
  const auto goldens = Json::parse(read_text(kData / "mapping/framework_keys.json"));
  size_t checked = 0;
  for (const auto& row : goldens.as_array())
    for (const std::string_view side : {"keras", "flax"}) {
      const auto* keys = row.find(side);
      if (!keys) continue;
      const auto config = config_of(row.get("model_type", ""), row.get("class", ""));
      for (const auto& key : keys->as_array()) {
        const auto& cells = key.as_array();
        std::vector<std::string> ours;
        for (const auto& name : cells[2].as_array()) ours.push_back(name.as_string());
        check_both_ways(*find_dialect(side), config, cells[0].as_string(), shape_of(cells[1]), ours,
                        kOps.at(cells[3].as_string()));
        ++checked;
      }
    }
  EXPECT_GT(checked, 500);
}

// P03: the names of TF 1, as the reference's own loaders pair them.
TEST(Dialects, KnowTheVariablesOfTf1Checkpoints) {
  const auto& dialect = *find_dialect("tensorflow");
  for (const std::string model_type : {"albert", "bert", "t5"}) {
    const auto folder = kData / "formats/tf_bundle" / model_type;
    const auto reader = open_checkpoint(folder / "model.ckpt.index");
    const auto map = Json::parse(read_text(folder / "key_map.json"));
    const auto config = config_of(model_type, map.get("class", ""));
    std::map<std::string, std::vector<std::string>> by_variable;
    std::map<std::string, bool> transposed;
    for (const auto& [name, row] : map.find("keys")->as_object()) {
      by_variable[row.get("variable", "")].push_back(name);
      transposed[row.get("variable", "")] = row.get("transposed", false);
    }
    for (const auto& entry : reader->entries()) {
      const auto found = by_variable.find(entry.name);
      EXPECT_EQ(dialect.is_ignored(entry.name), found == by_variable.end()) << entry.name;
      if (found != by_variable.end())
        check_both_ways(dialect, config, entry.name, entry.shape, found->second,
                        transposed.at(entry.name) ? Op::Transpose : Op::Rename);
    }
  }
}

// The names in the files that transformers 4.53.3 wrote, whole and in shards.
TEST(Dialects, LeadBackToEveryNameOfAFile) {
  for (const std::string file :
       {"bert/tf/tf_model.h5", "bert/tf_sharded/tf_model.h5.index.json", "gpt2/tf/tf_model.h5",
        "gpt2/tf_sharded/tf_model.h5.index.json", "t5/tf/tf_model.h5", "t5/tf_sharded/tf_model.h5.index.json",
        "bert/flax/flax_model.msgpack", "bert/flax_sharded/flax_model.msgpack.index.json",
        "gpt2/flax/flax_model.msgpack", "t5/flax/flax_model.msgpack", "llama/flax/flax_model.msgpack",
        "llama/flax_sharded/flax_model.msgpack.index.json"}) {
    const auto reader = open_checkpoint(kData / "formats" / file);
    const auto& dialect = dialect_of(*reader);
    const auto config = Json::parse(read_text((kData / "formats" / file).parent_path() / "config.json"));
    std::set<std::string> names;
    for (const auto& entry : reader->entries()) {
      const auto there = dialect.to_model(config, entry.name, entry.shape);
      ASSERT_TRUE(there) << file << " " << entry.name;
      EXPECT_TRUE(names.insert(there->name).second) << there->name;
      const auto back = dialect.to_file(config, there->name, shape_after(there->op, entry.shape));
      ASSERT_TRUE(back) << file << " " << there->name;
      EXPECT_EQ(back->name, entry.name) << file;
    }
    EXPECT_GT(names.size(), 10) << file;
  }
}

bool same_bytes(const SharedBytes& a, const SharedBytes& b) {
  return std::equal(a.bytes.begin(), a.bytes.end(), b.bytes.begin(), b.bytes.end());
}

// T11, F21, F22: our tensors become the file's, and the file's ours, bit for bit, and none is left over.
TEST(Dialects, TurnTheTensorsOfAModelIntoThoseOfTheFileAndBack) {
  for (const auto& [model, file] : {std::pair("bert", "tf/tf_model.h5"), std::pair("bert", "flax/flax_model.msgpack"),
                                    std::pair("gpt2", "tf/tf_model.h5"), std::pair("gpt2", "flax/flax_model.msgpack"),
                                    std::pair("t5", "tf/tf_model.h5"), std::pair("t5", "flax/flax_model.msgpack"),
                                    std::pair("llama", "flax/flax_model.msgpack")}) {
    const auto folder = kData / "formats" / model;
    const auto ours = open_checkpoint(folder / "pytorch/model.safetensors"), theirs = open_checkpoint(folder / file);
    const auto& dialect = dialect_of(*theirs);
    const auto config = Json::parse(read_text(folder / "pytorch/config.json"));
    size_t found = 0;
    for (const auto& entry : ours->entries()) {
      const auto target = dialect.to_file(config, entry.name, entry.shape);
      ASSERT_TRUE(target) << model << " " << entry.name;
      const auto* other = theirs->find(target->name);
      ASSERT_TRUE(other) << model << " " << target->name;
      ++found;
      const auto width = static_cast<size_t>(info(entry.dtype).block_bytes);
      EXPECT_EQ(other->shape, shape_after(inverse_of(target->op), entry.shape)) << target->name;
      const auto there = undo_op(target->op, ours->bytes(entry), entry.shape, width, target->heads, entry.name);
      EXPECT_TRUE(same_bytes(there, theirs->bytes(*other))) << target->name;
      const auto back = apply_op(target->op, theirs->bytes(*other), other->shape, width, target->heads, entry.name);
      EXPECT_TRUE(same_bytes(back, ours->bytes(entry))) << entry.name;
    }
    EXPECT_EQ(found, theirs->entries().size()) << model << " " << file;
  }
}

// Names in a shard and in safetensors lack the model's name; a user's own model has another.
TEST(Dialects, ReadKerasNamesWithAndWithoutTheModel) {
  const auto& keras = *find_dialect("keras");
  const auto config = config_of("bert", "BertForMaskedLM");
  for (const std::string key :
       {"tf_bert_for_masked_lm_3/bert/pooler/dense/kernel:0", "bert/pooler/dense/kernel:0",
        "my_own/bert/pooler/dense/kernel:0", "bert/bert/pooler/dense/kernel:0", "bert/pooler/dense/kernel"})
    EXPECT_EQ(keras.to_model(config, key, Shape{2, 3})->name, "bert.pooler.dense.weight") << key;
  EXPECT_EQ(keras.to_model(config, "mlm___cls/predictions/bias:0", Shape{2})->name, "cls.predictions.bias");
  EXPECT_EQ(keras.to_model(config, "other___cls/predictions/bias:0", Shape{2})->name, "cls.predictions.bias");
  EXPECT_EQ(keras.to_model(config_of("t5", "T5Model"), "shared/embeddings:0", Shape{2, 3})->name, "shared.weight");
}

TEST(Dialects, HaveAPlaceForOutputWeightsOfTheirOwnWhereTheFrameworkHas) {
  for (const std::string_view name : {"flax", "keras"}) {
    const auto& dialect = *find_dialect(name);
    EXPECT_FALSE(dialect.to_file(config_of("gpt2", "GPT2LMHeadModel"), "lm_head.weight", Shape{5, 2}));
    EXPECT_FALSE(dialect.to_file(config_of("t5", "T5Model"), "encoder.embed_tokens.weight", Shape{5, 2}));
    EXPECT_TRUE(dialect.to_file(config_of("t5", "T5ForConditionalGeneration"), "lm_head.weight", Shape{5, 2}));
  }
  const auto config = config_of("t5", "T5ForConditionalGeneration");
  EXPECT_EQ(find_dialect("tensorflow")->to_file(config, "lm_head.weight", Shape{5, 2})->name, "decoder/logits/kernel");
}

// T11
TEST(Dialects, RefuseNamesOfManyAliases) {
  const auto& keras = *find_dialect("keras");
  std::string key = "tf_bert_model";
  for (int i = 0; i < 11; ++i) key += "/a___b";
  EXPECT_THROW(static_cast<void>(keras.to_model(config_of("bert", "BertModel"), key, Shape{2})), ValueError);
  EXPECT_THROW(static_cast<void>(keras.to_model(Json::object(), "a___" + std::string(3000, 'b'), Shape{})), ValueError);
  EXPECT_EQ(keras.to_model(Json::object(), "a___b/kernel:0", Shape{2, 3})->name, "b.weight");
}

// T11: a base model's tensors have no prefix with us; in Keras and TF 1 files always.
TEST(Dialects, GiveABaseModelItsPrefix) {
  for (const auto& [name, key] : {std::pair("keras", "tf_bert_model/bert/pooler/dense/bias:0"),
                                  std::pair("tensorflow", "bert/pooler/dense/bias")}) {
    const auto& dialect = *find_dialect(name);
    const auto base = config_of("bert", "BertModel");
    EXPECT_EQ(dialect.to_model(base, key, Shape{2})->name, "pooler.dense.bias");
    EXPECT_EQ(dialect.to_file(base, "pooler.dense.bias", Shape{2})->name, key);
  }
}

TEST(Dialects, ReadAnArchitectureWithoutATableByTheCommonRules) {
  const auto config = config_of("unheard", "UnheardModel");
  const auto kernel = find_dialect("flax")->to_model(config, "a.b.kernel", Shape{2, 3});
  EXPECT_EQ(kernel->name, "a.b.weight");
  EXPECT_EQ(kernel->op, Op::Transpose);
  try {
    static_cast<void>(find_dialect("flax")->to_file(config, "a.b.weight", Shape{3, 2}));
    FAIL() << "accepted";
  } catch (const ValueError& error) {
    EXPECT_THAT(error.what(), HasSubstr("'unheard'"));
    EXPECT_THAT(error.what(), HasSubstr("gpt2"));
  }
}

TEST(Dialects, HaveNoPlaceForWhatModelsCompute) {
  for (const std::string_view name : {"flax", "keras", "tensorflow"}) {
    const auto& dialect = *find_dialect(name);
    EXPECT_FALSE(dialect.to_file(config_of("bert", "BertForMaskedLM"), "bert.embeddings.position_ids", Shape{1, 4}));
    EXPECT_FALSE(dialect.to_file(config_of("bert", "BertForMaskedLM"), "bert.pooler.what", Shape{4}));
  }
  EXPECT_TRUE(is_derived_tensor("transformer.h.3.attn.masked_bias"));
  EXPECT_FALSE(is_derived_tensor("transformer.h.3.attn.c_attn.bias"));
}

TEST(Dialects, AreOneForEachNameAFormatHas) {
  std::set<std::string_view> names;
  for (const auto* dialect : key_dialects()) names.insert(dialect->name);
  for (const auto* format : checkpoint_formats()) EXPECT_TRUE(names.contains(format->dialect)) << format->name;
  EXPECT_TRUE(std::is_sorted(key_dialects().begin(), key_dialects().end(),
                             [](const auto* a, const auto* b) { return a->name < b->name; }));
  EXPECT_EQ(find_dialect("nobody's"), nullptr);
}

}  // namespace
}  // namespace transformers
