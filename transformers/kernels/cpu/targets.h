#pragma once

// Which instruction sets foreach_target.h compiles; every file of this folder includes this one first, so that all
// agree. Left out: processors from before 2013, which compose ATen's ops, and vectors of a length unknown to the
// compiler.
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
