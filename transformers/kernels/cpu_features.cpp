#include "transformers/kernels/cpu_features.h"

#include <atomic>
#include <cstdlib>

// clang-format off
#include "transformers/kernels/cpu/targets.h"  // first: Highway reads it
#include "hwy/highway.h"
// clang-format on

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/kernels/cpu/kernels.h"

namespace transformers::kernels {

namespace {

struct InstructionSet {
  std::string_view name;
  int64_t target;  // Highway's bit; zero: compose ATen's ops
  bool has_bf16 = false;
};

// Best first.
constexpr InstructionSet kInstructionSets[] = {
#if HWY_ARCH_X86
    {"avx512_bf16", HWY_AVX3, true},
    {"avx512", HWY_AVX3},
    {"avx2", HWY_AVX2},
#elif HWY_ARCH_ARM
    {"neon", HWY_NEON},
#endif
    {"none", 0},
};

std::atomic<const InstructionSet*> active = nullptr;

bool is_available(const InstructionSet& set) {
  if (set.target == 0) return true;
  if ((HWY_TARGETS & hwy::SupportedTargets() & set.target) == 0) return false;
#if HWY_ARCH_X86
  if (set.has_bf16) return __builtin_cpu_supports("avx512bf16");
#endif
  return true;
}

const InstructionSet& find(std::string_view name, std::string_view origin) {
  for (const InstructionSet& set : kInstructionSets) {
    if (set.name == name && is_available(set)) return set;
  }
  throw ValueError(str(origin, " is ", quote(name), ", which this processor or this build does not have; use one of ",
                       join(instruction_sets(), ", ")));
}

void activate(const InstructionSet& set) {
  hwy::GetChosenTarget().Update(set.target);
  active = &set;
}

const InstructionSet& get_active() {
  static const bool is_decided = [] {
    const char* name = std::getenv("TRANSFORMERS_CPU_ISA");
    activate(find(name && *name ? std::string_view(name) : instruction_sets().front(), "TRANSFORMERS_CPU_ISA"));
    return true;
  }();
  static_cast<void>(is_decided);
  return *active.load(std::memory_order_relaxed);
}

}  // namespace

std::string_view active_instruction_set() { return get_active().name; }

std::vector<std::string_view> instruction_sets() {
  std::vector<std::string_view> names;
  for (const InstructionSet& set : kInstructionSets) {
    if (is_available(set)) names.push_back(set.name);
  }
  return names;
}

void use_instruction_set(std::string_view name) {
  static_cast<void>(get_active());  // or the first kernel's call would undo it
  activate(find(name, "the instruction set"));
}

namespace cpu {

bool is_vectorized() { return get_active().target != 0; }

bool has_native_bf16() { return get_active().has_bf16; }

}  // namespace cpu

}  // namespace transformers::kernels
