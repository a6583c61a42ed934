#include "transformers/kernels/cpu_features.h"

#include <gmock/gmock.h>

#include "transformers/base/error.h"

namespace transformers::kernels {
namespace {

TEST(CpuFeatures, NameTheActiveInstructionSet) {
  EXPECT_THAT(instruction_sets(), testing::Contains(active_instruction_set()));
  EXPECT_EQ(instruction_sets().back(), "none");
}

TEST(CpuFeatures, SwitchToEachInstructionSet) {
  const std::string_view before = active_instruction_set();
  for (const std::string_view name : instruction_sets()) {
    use_instruction_set(name);
    EXPECT_EQ(active_instruction_set(), name);
  }
  use_instruction_set(before);
}

TEST(CpuFeatures, RefuseAnUnknownNameAndListTheKnownOnes) {
  try {
    use_instruction_set("mmx");
    FAIL() << "no exception";
  } catch (const ValueError& error) {
    EXPECT_THAT(error.what(), testing::AllOf(testing::HasSubstr("'mmx'"), testing::HasSubstr("none")));
  }
}

}  // namespace
}  // namespace transformers::kernels
