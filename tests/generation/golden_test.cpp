// X01: the reference's output for every architecture, and for chains of processors; see tests/data/README.md.
#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "support.h"
#include "transformers/base/json.h"
#include "transformers/base/strings.h"
#include "transformers/generation/logits_processors.h"

namespace transformers {
namespace {

using testing::data_folder;

constexpr double kTolerance = 1e-4;  // of scores, as the README of the data says

struct Data {
  Json cases = Json::parse_file(data_folder() / "generation/cases.json");
  std::map<std::string, at::Tensor> inputs = testing::read_tensors(data_folder() / "generation/inputs.safetensors");
  std::map<std::string, at::Tensor> outputs = testing::read_tensors(data_folder() / "generation/outputs.safetensors");
};

const Data& data() {
  static const Data kData;
  return kData;
}

std::string show(const at::Tensor& tensor) {
  std::ostringstream out;
  out << tensor;
  return out.str();
}

class GenerateCase : public ::testing::TestWithParam<std::string> {};

std::vector<std::string> names(std::string_view kind) {
  std::vector<std::string> out;
  for (const auto& item : data().cases.at(kind).as_array()) out.push_back(item.at("id").as_string());
  return out;
}

const Json& find_case(std::string_view kind, const std::string& id) {
  for (const auto& item : data().cases.at(kind).as_array())
    if (item.at("id").as_string() == id) return item;
  throw std::logic_error("no case " + id);
}

TEST_P(GenerateCase, IsTheReferences) {
  const auto& item = find_case("generate", GetParam());
  const auto folder = data_folder() / "generation";
  const auto* config = item.find("config");
  const auto model =
      testing::load_tiny(item.at("class").as_string(), folder / item.at("model").as_string(),
                         config && config->is_string() ? folder / config->as_string() : std::filesystem::path());
  ModelInputs inputs;
  for (const auto& name : item.at("inputs").as_array())
    inputs.at(name.as_string()) = data().inputs.at(GetParam() + "/" + name.as_string());
  GenerateOptions options{.kwargs = item.at("options")};
  options.kwargs["return_dict_in_generate"] = options.kwargs["output_scores"] = true;
  const auto result = model->generate(inputs, options);
  for (const auto& name : item.at("outputs").as_array()) {
    const auto& expected = data().outputs.at(GetParam() + "/" + name.as_string());
    if (name.as_string() == "sequences") {
      EXPECT_TRUE(at::equal(result.sequences, expected)) << show(result.sequences) << "expected " << show(expected);
      continue;
    }
    const size_t step = std::stoul(name.as_string().substr(std::string_view("scores.").size()));
    ASSERT_LT(step, result.scores.size());
    const auto& found = result.scores[step];
    ASSERT_TRUE(found.sizes() == expected.sizes());
    EXPECT_TRUE(at::equal(found.isinf(), expected.isinf())) << name.as_string();
    const auto finite = expected.isinf().logical_not();
    const auto error = (found.masked_select(finite) - expected.masked_select(finite)).abs().max().item<double>();
    EXPECT_LE(error, kTolerance) << name.as_string();
  }
  // Without scores the loop takes its shortest path.
  EXPECT_TRUE(at::equal(model->generate(inputs, {.kwargs = item.at("options")}).sequences, result.sequences));
}

INSTANTIATE_TEST_SUITE_P(Reference, GenerateCase, ::testing::ValuesIn(names("generate")),
                         [](const auto& row) { return row.param; });

class ProcessorCase : public ::testing::TestWithParam<std::string> {};

TEST_P(ProcessorCase, IsTheReferences) {
  constexpr int64_t kEos = 2, kPrompt = 4;  // of the data's generator
  const auto& item = find_case("processors", GetParam());
  const auto input_ids = data().inputs.at(GetParam() + "/input_ids");
  auto scores = data().inputs.at(GetParam() + "/scores").clone();
  for (const auto& step : item.at("chain").as_array()) {
    const auto& field = step.at("name").as_string();
    GenerationConfig config;
    (void)config.update(Json(Json::Object{{field, step.at("value")}, {"do_sample", true}}));
    const ProcessorContext context{.config = config,
                                   .eos = {kEos},
                                   .prompt_length = kPrompt,
                                   .max_length = 100,
                                   .min_tokens_to_keep = step.at("min_tokens_to_keep").as_int()};
    const auto rows = logits_processors();
    const auto row = std::find_if(rows.begin(), rows.end(), [&](const ProcessorRow& r) { return r.field == field; });
    ASSERT_NE(row, rows.end()) << field;
    const auto processor = row->make(context);
    // A neutral value makes none: generate would not either.
    if (processor) scores = (*processor)(input_ids, scores);
  }
  const auto& expected = data().outputs.at(GetParam() + "/scores");
  EXPECT_TRUE(at::allclose(scores, expected, 1e-5, 1e-5)) << show(scores) << "expected " << show(expected);
}

INSTANTIATE_TEST_SUITE_P(Reference, ProcessorCase, ::testing::ValuesIn(names("processors")),
                         [](const auto& row) { return row.param; });

}  // namespace
}  // namespace transformers
