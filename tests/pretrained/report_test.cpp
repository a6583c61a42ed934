// The report of a load is one table in one record of the log (P64, P65, P67).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "golden.h"
#include "transformers/base/error.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/pretrained/auto.h"

namespace transformers::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string bert(const std::string& model) { return (data_folder() / "bert" / model).string(); }

// The records of a load that speak of weights.
std::vector<logging::Record> report_of(const std::string& model, const std::string& name,
                                       const FromPretrainedOptions& options = {}) {
  const logging::Capture log;
  try {
    static_cast<void>(load_by_class_name(model, name, options));
  } catch (const RuntimeError&) {
  }
  std::vector<logging::Record> out;
  for (auto& record : log.records())
    if (record.text.find("differences") != std::string::npos || record.text.find("every weight") != std::string::npos)
      out.push_back(record);
  return out;
}

// The line of the table with this key, its columns joined by one space.
std::string row_of(const logging::Record& record, const std::string& key) {
  for (const auto& line : split(record.text, '\n')) {
    std::string words;
    for (const auto& word : split(line, ' '))
      if (!word.empty()) words += (words.empty() ? "" : " ") + word;
    if (line.starts_with("  ") && words.starts_with(key + " ")) return words.substr(key.size() + 1);
  }
  return "no row";
}

TEST(LoadingReport, IsOneTableUnderOneSentence) {
  const auto model = bert("models/BertForPreTraining");
  const auto records = report_of(model, "BertForSequenceClassification");
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].level, logging::Level::Warning);
  const auto heading = split(records[0].text, '\n').front();
  EXPECT_THAT(heading, AllOf(StartsWith(model), HasSubstr("BertForSequenceClassification"), HasSubstr("(harmless)"),
                             HasSubstr("2 weights of the model are not in the checkpoint"),
                             HasSubstr("train it on a downstream task"), HasSubstr("7 weights of the checkpoint"),
                             HasSubstr("expected when the task or architecture changes")));
  EXPECT_EQ(row_of(records[0], "key"), "status detail");
  EXPECT_EQ(row_of(records[0], "classifier.weight"), "missing initialised");
  EXPECT_EQ(row_of(records[0], "cls.predictions.bias"), "unexpected not used");
}

TEST(LoadingReport, WarnsOfUnusedWeightsOnlyWhereTheClassIsTheSame) {
  const auto other = report_of(bert("models/BertForPreTraining"), "BertModel");
  ASSERT_EQ(other.size(), 1U);
  EXPECT_EQ(other[0].level, logging::Level::Info);
  const auto same = report_of(bert("loading/extra"), "BertForPreTraining");
  ASSERT_EQ(same.size(), 1U);
  EXPECT_EQ(same[0].level, logging::Level::Warning);
  EXPECT_THAT(same[0].text,
              AllOf(HasSubstr("(suspicious)"), HasSubstr("not expected for a checkpoint of this very class")));
  EXPECT_EQ(row_of(same[0], "extra.weight"), "unexpected not used");
  const auto none = report_of(bert("models/BertForPreTraining"), "BertForPreTraining");
  ASSERT_EQ(none.size(), 1U);
  EXPECT_EQ(none[0].level, logging::Level::Info);
  EXPECT_THAT(none[0].text, Not(HasSubstr("\n")));
}

TEST(LoadingReport, FoldsLayersAndStaysShort) {
  // Nothing of the body is found under these names: dozens of keys, a few rows.
  const auto records = report_of(bert("loading/module"), "BertForPreTraining", {.ignore_unmatched_keys = true});
  ASSERT_EQ(records.size(), 1U);
  const auto lines = split(records[0].text, '\n');
  EXPECT_LE(lines.size(), 33U);
  EXPECT_THAT(records[0].text, HasSubstr("48 weights of the model are not in the checkpoint"));
  EXPECT_THAT(records[0].text, HasSubstr("more rows"));
  EXPECT_EQ(row_of(records[0], "bert.encoder.layer.{0,1}.attention.self.key.bias"), "missing initialised");
}

TEST(LoadingReport, ShowsShapesAndThenRefuses) {  // P65
  const auto model = bert("models/BertForSequenceClassification");
  FromPretrainedOptions options;
  options.kwargs["num_labels"] = 5;
  const auto fatal = report_of(model, "BertForSequenceClassification", options);
  ASSERT_EQ(fatal.size(), 1U);
  EXPECT_EQ(fatal[0].level, logging::Level::Warning);
  EXPECT_THAT(fatal[0].text, AllOf(HasSubstr("(fatal)"), HasSubstr("ignore_mismatched_sizes")));
  EXPECT_EQ(row_of(fatal[0], "classifier.weight"), "mismatched [3, 16] in the checkpoint, [5, 16] in the model");
  options.ignore_mismatched_sizes = true;
  const auto ignored = report_of(model, "BertForSequenceClassification", options);
  ASSERT_EQ(ignored.size(), 1U);
  EXPECT_EQ(row_of(ignored[0], "classifier.bias"), "mismatched [3] in the checkpoint, [5] in the model, initialised");
}

TEST(LoadingReport, ListsEveryWeightOfAWrongType) {  // P64: error_msgs
  auto state = load_by_class_name(bert("models/BertForQuestionAnswering"), "", {})->state_dict();
  for (const auto* name : {"qa_outputs.bias", "qa_outputs.weight"}) state.set(name, state.at(name).to(at::kLong));
  const auto config = AutoConfig::from_pretrained(bert("models/BertForQuestionAnswering"));
  const logging::Capture log;
  try {
    static_cast<void>(load_pretrained(std::nullopt, *find_model_class("BertForQuestionAnswering"),
                                      {.config = ConfigArg(config), .state_dict = state}));
    FAIL() << "integers were loaded as weights";
  } catch (const RuntimeError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("qa_outputs.bias"), HasSubstr("qa_outputs.weight"), HasSubstr("int64")));
  }
  const auto records = log.records();
  const auto report = std::find_if(records.begin(), records.end(), [](const logging::Record& record) {
    return record.text.find("2 weights cannot be loaded") != std::string::npos;
  });
  ASSERT_NE(report, records.end());
  EXPECT_EQ(row_of(*report, "qa_outputs.bias"), "error is of type int64 in the checkpoint, the model needs float32");
}

TEST(LoadingReport, IsSafeToShow) {
  auto state = load_by_class_name(bert("models/BertForQuestionAnswering"), "", {})->state_dict();
  state.set(std::string("evil\n\x1b[2Jerror: ") + std::string(500, 'x'), state.at("qa_outputs.bias").clone());
  const auto config = AutoConfig::from_pretrained(bert("models/BertForQuestionAnswering"));
  const logging::Capture log;
  static_cast<void>(load_pretrained(std::nullopt, *find_model_class("BertForQuestionAnswering"),
                                    {.config = ConfigArg(config), .state_dict = state}));
  for (const auto& record : log.records()) {
    EXPECT_THAT(record.text, AllOf(Not(HasSubstr("\x1b")), Not(HasSubstr("\nerror"))));
    for (const auto& line : split(record.text, '\n')) EXPECT_LT(line.size(), 400U);
  }
}

}  // namespace
}  // namespace transformers::testing
