#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "transformers/base/files.h"
#include "transformers/base/json.h"
#include "transformers/tokenizers/auto_tokenizer.h"

namespace transformers {
namespace {

// Real tokenizers, where the folder TRANSFORMERS_REAL_MODELS holds them: for each `<name>` (a folder or a GGUF file) a
// `<name>.golden.json` with the lines, ids, offsets and decoded texts of the reference, written by
// tests/tools/make_real_tokenizer_goldens.py.
TEST(RealTokenizers, EqualTheReference) {
  const std::string folder = environment("TRANSFORMERS_REAL_MODELS");
  if (folder.empty() || !std::filesystem::is_directory(folder))
    GTEST_SKIP() << "TRANSFORMERS_REAL_MODELS names no folder";
  int checked = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().native();
    if (!name.ends_with(".golden.json")) continue;
    const Json golden = Json::parse_file(entry.path());
    const auto tokenizer =
        AutoTokenizer::from_pretrained(entry.path().parent_path() / name.substr(0, name.size() - 12));
    for (const auto& sample : golden.as_array()) {
      const auto encoding = tokenizer->backend()->encode(sample.at("text").as_string());
      Json::Array ids, offsets;
      for (const int64_t id : encoding.ids) ids.emplace_back(id);
      for (const auto& [begin, end] : encoding.offsets) offsets.emplace_back(Json::Array{Json(begin), Json(end)});
      ASSERT_EQ(Json(ids), sample.at("ids")) << name << ": " << sample.at("text").dump();
      ASSERT_EQ(Json(offsets), sample.at("offsets")) << name << ": " << sample.at("text").dump();
      ASSERT_EQ(tokenizer->decode(encoding.ids), sample.at("decoded").as_string())
          << name << ": " << sample.at("text").dump();
      ++checked;
    }
  }
  EXPECT_GT(checked, 0) << folder << " holds no *.golden.json";
}

}  // namespace
}  // namespace transformers
