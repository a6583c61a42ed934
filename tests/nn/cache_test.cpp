#include "transformers/nn/cache.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "transformers/base/error.h"

namespace transformers::nn {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kLengthDim = 2;

at::Tensor some(int64_t length) { return at::randn({2, 3, length, 4}); }

/// Feeds pieces to a layer and remembers them all.
struct Feed {
  explicit Feed(CacheLayer& its_layer) : layer(its_layer) {}
  std::pair<at::Tensor, at::Tensor> operator()(int64_t length) {
    const auto k = some(length), v = some(length);
    keys = keys.defined() ? at::cat({keys, k}, kLengthDim) : k;
    values = values.defined() ? at::cat({values, v}, kLengthDim) : v;
    return layer.update(k, v);
  }
  CacheLayer& layer;
  at::Tensor keys = {}, values = {};
};

TEST(DynamicLayer, ReturnsTheConcatenationOfAllPieces) {
  DynamicLayer layer;
  Feed feed(layer);
  for (const int64_t length : {7, 1, 1, 60, 1, 200, 1}) {  // beyond the first allocation, twice
    EXPECT_EQ(layer.extent(length).keys, layer.length() + length);
    EXPECT_EQ(layer.extent(length).first, 0);
    const auto [keys, values] = feed(length);
    EXPECT_TRUE(keys.equal(feed.keys));
    EXPECT_TRUE(values.equal(feed.values));
    EXPECT_EQ(layer.length(), feed.keys.size(kLengthDim));
  }
}

TEST(DynamicLayer, KeepsGradientsOfEarlierPieces) {
  DynamicLayer layer;
  const at::AutoGradMode enabled(true);
  const auto first = some(2).set_requires_grad(true), second = some(1).set_requires_grad(true);
  static_cast<void>(layer.update(first, first));
  layer.update(second, second).first.sum().backward();
  EXPECT_TRUE(first.grad().defined() && first.grad().eq(1).all().item<bool>());
  EXPECT_TRUE(second.grad().defined() && second.grad().eq(1).all().item<bool>());
}

TEST(DynamicLayer, HoldsValuesOfAnotherWidthThanTheKeys) {
  DynamicLayer layer;
  const auto k = at::randn({1, 1, 3, 4}), v = at::randn({1, 1, 3, 6});
  static_cast<void>(layer.update(k, v));
  const auto [keys, values] = layer.update(k, v);
  EXPECT_TRUE(keys.equal(at::cat({k, k}, kLengthDim)));
  EXPECT_TRUE(values.equal(at::cat({v, v}, kLengthDim)));
}

TEST(DynamicLayer, ForgetsWhatIsCroppedAndGoesOnFromThere) {
  DynamicLayer layer;
  Feed feed(layer);
  feed(5);
  layer.crop(3);
  EXPECT_EQ(layer.length(), 3);
  layer.crop(9);
  EXPECT_EQ(layer.length(), 3) << "there is nothing to add";
  const auto k = some(2), v = some(2);
  const auto [keys, values] = layer.update(k, v);
  EXPECT_TRUE(keys.equal(at::cat({feed.keys.narrow(kLengthDim, 0, 3), k}, kLengthDim)));
  EXPECT_TRUE(values.equal(at::cat({feed.values.narrow(kLengthDim, 0, 3), v}, kLengthDim)));
}

TEST(DynamicLayer, FollowsItsBatchAndStartsAnewAfterReset) {
  DynamicLayer layer;
  Feed feed(layer);
  feed(5);
  layer.reorder(at::tensor({1, 1, 0}, at::kLong));
  const auto k = at::randn({3, 3, 1, 4});
  const auto keys = layer.update(k, k).first;
  ASSERT_EQ(keys.size(0), 3);
  EXPECT_TRUE(keys[0].narrow(1, 0, 5).equal(feed.keys[1]));
  EXPECT_TRUE(keys[2].narrow(1, 0, 5).equal(feed.keys[0]));
  layer.reset();
  EXPECT_EQ(layer.length(), 0);
  const auto other = at::randn({1, 2, 3, 8});  // another shape is fine now
  EXPECT_TRUE(layer.update(other, other).first.equal(other));
}

TEST(StaticLayer, ShowsItsWholeLengthWithZerosWhereItIsUnfilled) {
  StaticLayer layer(6);
  Feed feed(layer);
  feed(3);
  const auto [keys, values] = feed(1);
  EXPECT_EQ(layer.length(), 4);
  EXPECT_EQ(layer.extent(1).keys, 6);
  EXPECT_EQ(layer.extent(1).first, 0);
  ASSERT_EQ(keys.size(kLengthDim), 6);
  EXPECT_TRUE(keys.narrow(kLengthDim, 0, 4).equal(feed.keys));
  EXPECT_TRUE(values.narrow(kLengthDim, 0, 4).equal(feed.values));
  EXPECT_TRUE(keys.narrow(kLengthDim, 4, 2).eq(0).all().item<bool>());
}

TEST(StaticLayer, NamesItsLengthWhenItOverflows) {
  StaticLayer layer(4);
  Feed feed(layer);
  feed(4);
  try {
    feed(1);
    ADD_FAILURE() << "no error";
  } catch (const ValueError& error) {
    EXPECT_THAT(error.what(), HasSubstr("holds 4 positions, 5 are needed"));
  }
  EXPECT_EQ(layer.length(), 4);
  layer.crop(1);
  EXPECT_EQ(layer.length(), 1);
  feed(3);
  layer.reset();
  EXPECT_EQ(layer.length(), 0);
  feed(4);
}

TEST(StaticLayer, FollowsItsBatch) {
  StaticLayer layer(4);
  Feed feed(layer);
  feed(2);
  layer.reorder(at::tensor({1, 0}, at::kLong));
  const auto keys = feed(1).first;
  EXPECT_TRUE(keys[0].narrow(1, 0, 2).equal(feed.keys[1].narrow(1, 0, 2)));
}

TEST(SlidingLayer, KeepsOneTokenLessThanItsWindow) {
  SlidingLayer layer(4);
  Feed feed(layer);
  int64_t seen = 0;
  for (const int64_t length : {2, 1, 1, 1, 5, 1, 1}) {
    const auto extent = layer.extent(length);
    const int64_t kept = std::min<int64_t>(seen, 3);
    EXPECT_EQ(extent.keys, kept + length);
    EXPECT_EQ(extent.first, seen - kept);
    const auto [keys, values] = feed(length);
    seen += length;
    EXPECT_EQ(layer.length(), seen);
    ASSERT_EQ(keys.size(kLengthDim), extent.keys);
    EXPECT_TRUE(keys.equal(feed.keys.narrow(kLengthDim, extent.first, extent.keys)));
    EXPECT_TRUE(values.equal(feed.values.narrow(kLengthDim, extent.first, extent.keys)));
  }
}

TEST(SlidingLayer, CannotGoBackToTokensThatItDropped) {
  SlidingLayer layer(4);
  Feed feed(layer);
  feed(3);
  layer.crop(2);
  EXPECT_EQ(layer.length(), 2);
  EXPECT_EQ(layer.extent(1).keys, 3);
  EXPECT_TRUE(feed(1).first.narrow(kLengthDim, 0, 2).equal(feed.keys.narrow(kLengthDim, 0, 2)));
  feed(3);
  layer.crop(6);  // all of it
  EXPECT_THROW(layer.crop(5), ValueError);
  EXPECT_EQ(layer.length(), 6);
  layer.reset();
  EXPECT_EQ(layer.length(), 0);
  EXPECT_EQ(layer.extent(2).first, 0);
}

TEST(SlidingLayer, FollowsItsBatch) {
  SlidingLayer layer(4);
  Feed feed(layer);
  feed(5);
  layer.reorder(at::tensor({1, 0}, at::kLong));
  EXPECT_TRUE(feed(1).first[0].narrow(1, 0, 3).equal(feed.keys[1].narrow(1, 2, 3)));
}

TEST(Cache, HasTheLayersThatWereAskedFor) {
  const auto cache = sliding_cache({3, std::nullopt});
  EXPECT_EQ(cache->length(), 0);
  for (const int64_t layer : {0, 1}) static_cast<void>(cache->update(layer, some(8), some(8)));
  EXPECT_EQ(cache->length(), 8);
  EXPECT_EQ(cache->extent(0, 1).keys, 3);
  EXPECT_EQ(cache->extent(0, 1).first, 6);
  EXPECT_EQ(cache->extent(1, 1).keys, 9);
  EXPECT_EQ(cache->extent(2, 1).keys, 1) << "a layer without an entry sees everything";
  EXPECT_EQ(static_cache(12)->extent(3, 1).keys, 12);
}

TEST(Cache, TreatsAllLayersAndTheEncodersKeysAlike) {
  const auto cache = dynamic_cache();
  for (const int64_t layer : {0, 1}) static_cast<void>(cache->update(layer, some(4), some(4)));
  const auto keys = some(2);
  cache->cross(1) = {.keys = keys, .values = keys};
  EXPECT_FALSE(cache->cross(0).keys.defined());
  cache->reorder(at::tensor({1}, at::kLong));
  EXPECT_TRUE(cache->cross(1).keys[0].equal(keys[1]));
  cache->crop(3);
  EXPECT_EQ(cache->extent(1, 1).keys, 4);
  const auto one = at::randn({1, 3, 1, 4});
  EXPECT_EQ(cache->update(1, one, one).first.size(0), 1);
  cache->reset();
  EXPECT_EQ(cache->length(), 0);
  EXPECT_EQ(cache->extent(1, 1).keys, 1);
  EXPECT_FALSE(cache->cross(1).keys.defined());
}

}  // namespace
}  // namespace transformers::nn
