// The index of an offload folder in both of its forms (L14).
#include "transformers/placement/offload_folder.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "transformers/base/error.h"
#include "transformers/base/files.h"
#include "transformers/checkpoint/safetensors.h"
#include "transformers/nn/dtypes.h"

namespace transformers {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class OffloadFolder : public ::testing::Test {
 protected:
  OffloadFolder() {
    std::string name = (fs::temp_directory_path() / "offload-XXXXXX").native();
    folder = ::mkdtemp(name.data());
  }
  ~OffloadFolder() override { fs::remove_all(folder); }

  void write(const std::string& name, const at::Tensor& x) const {
    write_text_atomic(folder / name, {static_cast<const char*>(x.const_data_ptr()), x.nbytes()});
  }
  void write_index(const std::string& text) const { write_text_atomic(folder / "index.json", text); }
  [[nodiscard]] std::string refusal(const std::string& index) const {
    write_index(index);
    try {
      static_cast<void>(read_offload_folder(folder));
    } catch (const Error& error) {
      return error.what();
    }
    return "nothing was thrown";
  }

  fs::path folder;
};

TEST_F(OffloadFolder, ReadsRawFilesOfEveryKind) {
  const auto x = at::arange(6, at::kFloat).view({2, 3}), y = x.to(at::kBFloat16), z = x.to(at::kFloat8_e4m3fn);
  const auto scalar = at::arange(5, at::kLong)[4].clone();
  write("a.weight.dat", x);
  write("a.bias.dat", y);
  write("b.weight.dat", z);
  write("step.dat", scalar);
  write("none.dat", at::empty({0, 3}));
  write_index(R"({"a.weight": {"dtype": "float32", "shape": [2, 3]}, "a.bias": {"dtype": "bfloat16", "shape": [2, 3]},
                  "b.weight": {"dtype": "float8_e4m3fn", "shape": [2, 3]}, "step": {"dtype": "int64", "shape": []},
                  "none": {"dtype": "float32", "shape": [0, 3]}})");
  const auto store = read_offload_folder(folder);
  EXPECT_THAT(store->names(), ElementsAre("a.bias", "a.weight", "b.weight", "none", "step"));
  EXPECT_TRUE(at::equal(store->load("a.weight"), x));
  EXPECT_TRUE(at::equal(store->load("a.bias"), y));
  EXPECT_EQ(store->load("b.weight").scalar_type(), at::kFloat8_e4m3fn);
  EXPECT_TRUE(at::equal(store->load("b.weight").to(at::kFloat), x));
  EXPECT_EQ(store->load("step").item<int64_t>(), 4);
  EXPECT_EQ(store->load("none").sizes(), at::IntArrayRef({0, 3}));
  // What is written again says the same.
  EXPECT_TRUE(store->index().at("a.bias") == Json::parse(R"({"dtype": "bfloat16", "shape": [2, 3]})"));
}

TEST_F(OffloadFolder, ReadsSafetensorsAndCasts) {
  const auto x = at::arange(4, at::kFloat);
  const CheckpointWriteEntry entry{
      .name = "old.name", .dtype = DataType::F32, .shape = {4}, .bytes = [&] {
        return SharedBytes{{static_cast<const std::byte*>(x.const_data_ptr()), x.nbytes()}, nullptr};
      }};
  write_safetensors(folder / "w.safetensors", {&entry, 1});
  write_index(R"({"w": {"safetensors_file": "w.safetensors", "weight_name": "old.name", "dtype": "float16"}})");
  const auto store = read_offload_folder(folder);
  EXPECT_EQ(store->load("w").scalar_type(), at::kHalf);
  EXPECT_TRUE(at::equal(store->load("w").to(at::kFloat), x));
  // Our own index of it reads back, from wherever.
  write_index(store->index().dump());
  EXPECT_TRUE(at::equal(read_offload_folder(folder)->load("w").to(at::kFloat), x));
}

TEST_F(OffloadFolder, RefusesWhatDoesNotFit) {
  write("w.dat", at::arange(4, at::kFloat));
  EXPECT_THAT(refusal(R"({"w": {"dtype": "float32", "shape": [5]}})"),
              AllOf(HasSubstr("w.dat"), HasSubstr("16 bytes"), HasSubstr("20")));
  EXPECT_THAT(refusal(R"({"w": {"dtype": "float17", "shape": [4]}})"), AllOf(HasSubstr("'w'"), HasSubstr("float17")));
  EXPECT_THAT(refusal(R"({"w": {"dtype": "float32", "shape": [-4]}})"), HasSubstr("-4"));
  EXPECT_THAT(refusal(R"({"w": {"dtype": "float32", "shape": [4611686018427387904, 8]}})"), HasSubstr("'w'"));
  EXPECT_THAT(refusal(R"({"w": {"dtype": "float32"}})"), HasSubstr("'shape'"));
  EXPECT_THAT(refusal(R"({"../w": {"dtype": "float32", "shape": [4]}})"), HasSubstr("../w"));
  EXPECT_THAT(refusal(R"({"v": {"dtype": "float32", "shape": [4]}})"), HasSubstr("v.dat"));
  EXPECT_THAT(refusal(R"({"w": {"safetensors_file": "/etc/passwd", "dtype": "float32"}})"), HasSubstr("/etc/passwd"));
  EXPECT_THAT(refusal(R"([1])"), HasSubstr("index.json"));
}

}  // namespace
}  // namespace transformers
