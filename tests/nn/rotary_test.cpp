#include "transformers/nn/rotary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "transformers/base/error.h"
#include "transformers/base/logging.h"

namespace transformers::nn {
namespace {

using ::testing::HasSubstr;

Rotary::Options half_of_a_head(const char* type) {
  return {.head_size = 8,
          .max_positions = 32,
          .parameters = Json::Object{
              {"rope_type", type}, {"rope_theta", 100.0}, {"factor", 2.0}, {"partial_rotary_factor", 0.5}}};
}

// Llama's own rope does not look at partial_rotary_factor; the other kinds do, and no head would fit.
TEST(Rotary, CoversWholeHeadsUnlessTheArchitectureSaysOtherwise) {
  logging::Capture::reset_once();
  const logging::Capture log;
  EXPECT_EQ(Rotary(half_of_a_head("default")).named_buffers()["inv_freq"].size(0), 4);
  ASSERT_EQ(log.records().size(), 1U);
  EXPECT_THAT(log.records()[0].text, HasSubstr("partial_rotary_factor is 0.5 and has no effect"));
  EXPECT_THROW(Rotary(half_of_a_head("linear")), ValueError);
  auto options = half_of_a_head("linear");
  options.may_be_partial = true;
  EXPECT_EQ(Rotary(options).named_buffers()["inv_freq"].size(0), 2);
}

}  // namespace
}  // namespace transformers::nn
