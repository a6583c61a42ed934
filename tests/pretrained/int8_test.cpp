// int8 safetensors (docs/int8.md) load as any other weights.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "golden.h"
#include "transformers/base/error.h"
#include "transformers/base/files.h"
#include "transformers/base/logging.h"
#include "transformers/mapping/convert.h"
#include "transformers/pretrained/auto.h"

namespace transformers::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

fs::path llama() { return data_folder() / "llama/models/LlamaForCausalLM"; }

// Half a step of each row, and what the type that is asked for rounds.
void expect_close(PreTrainedModel& found, PreTrainedModel& expected, double rounding) {
  for (const auto& [name, tensor] : expected.state_dict()) {
    const auto have = found.state_dict().at(name).to(at::kFloat), want = tensor.to(at::kFloat);
    const auto largest = want.dim() == 2 ? want.abs().amax(1, true) : want.abs();
    const auto bound = want.dim() == 2 ? largest / 127 / 2 + largest * (rounding + 1e-6) : largest * rounding;
    EXPECT_TRUE(((have - want).abs() <= bound).all().item<bool>()) << name;
  }
}

TEST(Int8Weights, LoadInEveryTypeWithACleanReport) {
  const TemporaryFolder folder;
  const auto exact = load_by_class_name(llama(), "", {});
  for (const bool is_sharded : {false, true}) {
    const auto target = folder.path / (is_sharded ? "sharded" : "whole");
    ConvertOptions options{.quantize = "int8"};
    if (is_sharded) options.max_shard_size = "4KB";
    (void)convert_checkpoint(llama(), target, options);
    for (const auto& [dtype, rounding] : {std::pair("float32", 0.0), {"bfloat16", 4e-3}, {"auto", 4e-3}}) {
      const logging::Capture log;
      const auto loaded = load_by_class_name(target, "", {.output_loading_info = true, .dtype = dtype});
      EXPECT_EQ(loaded.loading_info->verdict, LoadingVerdict::Complete) << dtype;
      EXPECT_FALSE(log.contains("", logging::Level::Warning)) << dtype;
      expect_close(*loaded, *exact, rounding);
      EXPECT_FALSE(loaded->config->extra.contains("quantization_config"));
    }
  }
}

TEST(Int8Weights, AreSavedAsWhatTheyBecame) {
  const TemporaryFolder quantised, saved;
  (void)convert_checkpoint(llama(), quantised.path / "q", {.quantize = "int8"});
  const auto loaded = load_by_class_name(quantised.path / "q", "", {});
  loaded->save_pretrained(saved.path);
  EXPECT_FALSE(Json::parse_file(saved.path / "config.json").contains("quantization_config"));
  expect_close(*load_by_class_name(saved.path, "", {}), *loaded, 0);
}

TEST(Int8Weights, OnDiskAreWrittenOutFirst) {  // L13
  const TemporaryFolder folder;
  const auto target = folder.path / "q";
  (void)convert_checkpoint(llama(), target, {.quantize = "int8"});
  const DeviceMap map{{"", "disk"}};
  EXPECT_THAT(refusal<ValueError>([&] { (void)load_by_class_name(target, "", {.device_map = map}); }),
              HasSubstr("offload_folder"));
  const logging::Capture quiet;
  const auto whole = load_by_class_name(target, "", {});
  const auto parted = load_by_class_name(target, "", {.device_map = map, .offload_folder = folder.path / "offload"});
  const auto ids = at::tensor({3, 5, 7}, at::kLong).unsqueeze(0);
  const at::NoGradGuard no_grad;
  EXPECT_TRUE(at::allclose(whole->forward({.input_ids = ids}).logits, parted->forward({.input_ids = ids}).logits));
}

TEST(Int8Weights, AreRefusedWhereConfigAndFilesDisagree) {
  const TemporaryFolder folder;
  const auto target = folder.path / "q";
  (void)convert_checkpoint(llama(), target, {.quantize = "int8"});
  const auto file = target / "config.json";
  auto config = Json::parse_file(file);
  const auto load = [&] { (void)load_by_class_name(target, "", {}); };
  config["quantization_config"]["bits"] = 4;
  write_text_atomic(file, config.dump());
  EXPECT_THAT(refusal<ValueError>(load), AllOf(HasSubstr("config.json"), HasSubstr("'bits'")));
  config["quantization_config"] = Json(Json::Object{{"quant_method", "gptq"}, {"bits", 4}});
  write_text_atomic(file, config.dump());
  EXPECT_THAT(refusal<ImportError>(load), HasSubstr("gptq"));
  config.erase("quantization_config");
  write_text_atomic(file, config.dump());
  EXPECT_NO_THROW(load()) << "the file says itself what it is";
  config["quantization_config"] =
      Json(Json::Object{{"quant_method", "transformers.cpp-int8"}, {"bits", 8}, {"scale_suffix", "_scale"}});
  fs::copy_file(llama() / "model.safetensors", target / "model.safetensors", fs::copy_options::overwrite_existing);
  write_text_atomic(file, config.dump());
  EXPECT_THAT(refusal<OSError>(load), AllOf(HasSubstr("config.json"), HasSubstr("quantization_config")));
}

}  // namespace
}  // namespace transformers::testing
