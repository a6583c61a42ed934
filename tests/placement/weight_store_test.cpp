#include "transformers/placement/weight_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/mapping/fake_reader.h"

namespace transformers {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(WeightStore, CachesTheFirstLayersThatFitAndForgetsTheOthers) {  // L11
  const auto reader = std::make_shared<testing::FakeReader>();
  for (const auto* name : {"layers.0", "layers.1", "layers.2", "layers.10"}) reader->add(name);
  for (auto& entry : reader->tensors) entry.size_bytes = 100;
  WeightStore weights;
  for (const auto& entry : reader->entries()) weights.read_in_place(entry.name, {.reader = reader, .entry = &entry});
  weights.alias("tied", "layers.10");
  const auto release_all = [&] {
    reader->told.clear();
    for (const auto* name : {"layers.0", "layers.1", "layers.2", "tied"}) weights.release(name);
    return reader->told;
  };
  const auto all_released = ElementsAre(Pair("layers.0", Advice::Release), Pair("layers.1", Advice::Release),
                                        Pair("layers.2", Advice::Release), Pair("layers.10", Advice::Release));
  EXPECT_THAT(release_all(), all_released);
  weights.keep_at_most(250);
  EXPECT_THAT(release_all(), ElementsAre(Pair("layers.0", Advice::Release), Pair("layers.1", Advice::Release),
                                         Pair("layers.2", Advice::Evict), Pair("layers.10", Advice::Evict)));
  weights.keep_at_most(400);
  EXPECT_THAT(release_all(), all_released);
}

}  // namespace
}  // namespace transformers
