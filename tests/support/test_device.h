#pragma once

#include <cstdint>

namespace transformers::testing {

inline constexpr int64_t kTestDevices = 3;

/// Registers, once per process, an accelerator of three devices with libtorch (PrivateUse1, called "testdev"). Their
/// memory is the process's own, but no CPU kernel takes their tensors and no operator takes tensors of two of them, so
/// that a model whose parts were not moved fails as it would on real hardware.
void register_test_devices();

/// What accelerator `index` says is free; 1 GiB unless set.
void set_test_device_memory(int64_t index, int64_t bytes);
/// Bytes that the tensors on accelerator `index` take now.
int64_t test_device_bytes(int64_t index);

}  // namespace transformers::testing
