#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "transformers/dtypes/detail/blocks.h"

// How the blocks of 256 elements of the K types are found: the format fixes what the bits mean, not more. Here each
// group is fitted by itself (several scales are tried; for each the elements are rounded, and the scale that then fits
// them best in the least squares is computed); the groups' scales are rounded to the few bits that the block has for
// them; and then each group tries the neighbours of its rounded scale again. What is made least is the sum of the
// squared errors.
namespace transformers::detail {

using Lanes [[gnu::vector_size(32)]] = float;
using IntLanes [[gnu::vector_size(32)]] = int32_t;

template <int kSize>
struct Group {
  static constexpr int kLanes = kSize / 8;
  Lanes x[kLanes];
  [[gnu::always_inline]] explicit Group(const float* from) { std::memcpy(x, from, sizeof x); }
};

[[gnu::always_inline]] inline float total(const Lanes& v) {
  return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
}

// The whole numbers from 0 to `kMost` nearest to x * factor + shift.
template <int kMost>
[[gnu::always_inline]] inline void round_lanes(const Lanes& x, float factor, float shift, Lanes& q) {
  Lanes v = x * factor + (shift + 0.5F);
  v = v > 0.0F ? v : v - v;
  v = v < static_cast<float>(kMost) ? v : v - v + static_cast<float>(kMost);
  const IntLanes whole = __builtin_convertvector(v, IntLanes);
  q = __builtin_convertvector(whole, Lanes);
}

[[gnu::always_inline]] inline float inverse_or_zero(float scale) {
  return std::fabs(scale) < 1e-30F ? 0.0F : 1.0F / scale;
}

/// x ≈ scale * q + offset.
struct Line {
  float scale = 0, offset = 0, error = 0;
};

/// The squared error of the group on a line, each element on its nearest q. `shift` is added to an element's place on
/// the line to make it a number from 0.
template <int kMost, int kSize>
[[gnu::always_inline]] inline float error_on(const Group<kSize>& group, float scale, float offset, float shift) {
  const float inverse = inverse_or_zero(scale);
  Lanes sum{};
  for (const Lanes& x : group.x) {
    Lanes q;
    round_lanes<kMost>(x, inverse, shift - offset * inverse, q);
    const Lanes difference = (q - shift) * scale + offset - x;
    sum += difference * difference;
  }
  return total(sum);
}

struct Sums {
  float q = 0, qq = 0, x = 0, xq = 0;
};

template <int kMost, int kSize>
[[gnu::always_inline]] inline Sums sums_of(const Group<kSize>& group, float factor, float shift, float centre) {
  Lanes q_sum{}, qq_sum{}, x_sum{}, xq_sum{};
  for (const Lanes& x : group.x) {
    Lanes q;
    round_lanes<kMost>(x, factor, shift, q);
    q -= centre;
    q_sum += q;
    qq_sum += q * q;
    x_sum += x;
    xq_sum += x * q;
  }
  return {total(q_sum), total(qq_sum), total(x_sum), total(xq_sum)};
}

// The best line through points whose q are known; its offset is never above 0, which the format cannot say.
template <int kSize>
[[gnu::always_inline]] inline Line line_through(const Sums& s) {
  const float spread = kSize * s.qq - s.q * s.q;
  if (spread <= 0) return {};
  const Line line{.scale = (kSize * s.xq - s.x * s.q) / spread, .offset = (s.qq * s.x - s.q * s.xq) / spread};
  if (line.offset <= 0) return line;
  return {.scale = s.qq > 0 ? s.xq / s.qq : 0.0F};
}

constexpr int kTries = 20;

/// Whole numbers from 0, an offset of its own for the group.
template <int kMost, int kSize>
[[gnu::always_inline]] inline Line fit_line(const Group<kSize>& group, const float* x) {
  const float low = std::min(0.0F, *std::min_element(x, x + kSize)), high = *std::max_element(x, x + kSize);
  if (high - low < 1e-30F) return {.offset = low};
  Line best{.scale = (high - low) / kMost, .offset = low};
  best.error = error_on<kMost>(group, best.scale, best.offset, 0);
  const auto improve = [&](float factor, float offset) __attribute__((always_inline)) {
    Line line = line_through<kSize>(sums_of<kMost>(group, factor, -offset * factor, 0));
    if (line.scale <= 0) return false;
    line.error = error_on<kMost>(group, line.scale, line.offset, 0);
    if (line.error >= best.error) return false;
    best = line;
    return true;
  };
  for (int i = 0; i <= kTries; ++i)
    improve((static_cast<float>(kMost) - 1.0F + 0.1F * static_cast<float>(i)) / (high - low), low);
  for (int round = 0; round < 4 && improve(1.0F / best.scale, best.offset); ++round) {
  }
  return best;
}

/// Whole numbers from -kHalf to kHalf - 1, no offset. The scale has the sign that puts the furthest element at -kHalf.
template <int kHalf, int kSize>
[[gnu::always_inline]] inline float fit_scale(const Group<kSize>& group, const float* x) {
  constexpr int kMost = 2 * kHalf - 1;
  float furthest = 0;
  for (int i = 0; i < kSize; ++i) furthest = std::fabs(x[i]) > std::fabs(furthest) ? x[i] : furthest;
  if (std::fabs(furthest) < 1e-30F) return 0;
  // Gains that differ by rounding alone must not displace the plain scale: its half is exact where the elements are.
  constexpr float kGains = 1.000001F;
  float best = furthest / -kHalf, best_gain = 0;
  const auto improve = [&](float factor) __attribute__((always_inline)) {
    const Sums s = sums_of<kMost>(group, factor, kHalf, kHalf);
    if (s.qq <= 0 || s.xq * s.xq <= best_gain * s.qq * kGains) return false;
    best_gain = s.xq * s.xq / s.qq;
    best = s.xq / s.qq;
    return true;
  };
  improve(-kHalf / furthest);
  for (int i = 0; i <= kTries; ++i) {
    const float factor = (static_cast<float>(kHalf) - 1.0F + 0.1F * static_cast<float>(i)) / furthest;
    improve(-factor);
    improve(factor);
  }
  for (int round = 0; round < 4 && improve(1.0F / best); ++round) {
  }
  return best;
}

template <int kMost, int kSize>
[[gnu::always_inline]] inline void store_quants(const Group<kSize>& group, float scale, float offset, float shift,
                                                uint8_t* out) {
  const float inverse = inverse_or_zero(scale);
  for (int i = 0; i < Group<kSize>::kLanes; ++i) {
    Lanes q;
    round_lanes<kMost>(group.x[i], inverse, shift - offset * inverse, q);
    for (int k = 0; k < 8; ++k) out[8 * i + k] = static_cast<uint8_t>(q[k]);
  }
}

[[gnu::always_inline]] inline int nearest_int(float value) { return static_cast<int>(std::floor(value + 0.5F)); }

/// A block whose groups have a scale and a minimum of 0 to kMostScale each.
template <int kMost, int kGroups, int kMostScale>
struct RangeBlock {
  static constexpr int kSize = 256 / kGroups;
  Half scale, minimum;
  uint8_t scales[kGroups], minimums[kGroups], quants[256];

  [[gnu::always_inline]] explicit RangeBlock(const float* x) {
    Line lines[kGroups];
    float most_scale = 0, most_minimum = 0;
    for (int g = 0; g < kGroups; ++g) {
      lines[g] = fit_line<kMost>(Group<kSize>(x + kSize * g), x + kSize * g);
      most_scale = std::max(most_scale, lines[g].scale);
      most_minimum = std::max(most_minimum, -lines[g].offset);
    }
    scale = Half::of(most_scale / kMostScale);
    minimum = Half::of(most_minimum / kMostScale);
    for (int g = 0; g < kGroups; ++g) settle(Group<kSize>(x + kSize * g), lines[g], g);
  }

 private:
  [[gnu::always_inline]] void settle(const Group<kSize>& group, const Line& line, int g) {
    const float d = scale, m = minimum;
    const int near_scale = nearest_int(line.scale * inverse_or_zero(d));
    const int near_minimum = nearest_int(-line.offset * inverse_or_zero(m));
    float least = INFINITY;
    for (int s = std::max(0, near_scale - 1); s <= std::min(kMostScale, near_scale + 1); ++s)
      for (int k = std::max(0, near_minimum - 1); k <= std::min(kMostScale, near_minimum + 1); ++k) {
        const float error = error_on<kMost>(group, d * static_cast<float>(s), -m * static_cast<float>(k), 0);
        if (error >= least) continue;
        least = error;
        scales[g] = static_cast<uint8_t>(s);
        minimums[g] = static_cast<uint8_t>(k);
      }
    store_quants<kMost>(group, d * static_cast<float>(scales[g]), -m * static_cast<float>(minimums[g]), 0,
                        quants + kSize * g);
  }
};

/// A block of 16 groups without offsets; quants are stored from 0, kHalf meaning 0; scales are -kHalfScale to
/// kHalfScale - 1.
template <int kHalf, int kHalfScale>
struct CentredBlock {
  Half scale;
  int8_t scales[16];
  uint8_t quants[256];

  [[gnu::always_inline]] explicit CentredBlock(const float* x) {
    float fitted[16], furthest = 0;
    for (int g = 0; g < 16; ++g) {
      fitted[g] = fit_scale<kHalf>(Group<16>(x + 16 * g), x + 16 * g);
      furthest = std::fabs(fitted[g]) > std::fabs(furthest) ? fitted[g] : furthest;
    }
    scale = Half::of(furthest / -kHalfScale);
    for (int g = 0; g < 16; ++g) settle(Group<16>(x + 16 * g), fitted[g], g);
  }

 private:
  [[gnu::always_inline]] void settle(const Group<16>& group, float fitted, int g) {
    const float d = scale;
    const int near = nearest_int(fitted * inverse_or_zero(d));
    float least = INFINITY;
    for (int s = std::max(-kHalfScale, near - 1); s <= std::min(kHalfScale - 1, near + 1); ++s) {
      const float error = error_on<2 * kHalf - 1>(group, d * static_cast<float>(s), 0, kHalf);
      if (error >= least) continue;
      least = error;
      scales[g] = static_cast<int8_t>(s);
    }
    store_quants<2 * kHalf - 1>(group, d * static_cast<float>(scales[g]), 0, kHalf, quants + 16 * g);
  }
};

}  // namespace transformers::detail
