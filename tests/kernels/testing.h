#pragma once

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "transformers/kernels/cpu_features.h"

namespace transformers::kernels {

// Values of both dtypes are compared as float32. A sum of n products in float32 taken in another order differs by some
// n · 1e-7; one rounding to bfloat16 is 2⁻⁸ of the value.
inline constexpr double kFloatTolerance = 2e-5;
inline constexpr double kBFloat16Tolerance = 1e-2;

inline double tolerance(at::ScalarType dtype) { return dtype == at::kFloat ? kFloatTolerance : kBFloat16Tolerance; }

/// Numbers of about unit size, always the same for one seed.
at::Tensor random(at::IntArrayRef shape, at::ScalarType dtype, uint64_t seed = 1);

/// Same shape, dtype and, within tolerance · (1 + |expected|), values; NaN and infinities in the same places.
testing::AssertionResult is_close(const at::Tensor& actual, const at::Tensor& expected, double tolerance);

/// Runs the body once for each instruction set of this processor, then goes back to the first one's choice.
void with_each_instruction_set(const std::function<void()>& body);

}  // namespace transformers::kernels
