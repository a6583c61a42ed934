#include "transformers/kernels/fused.h"

#include <ATen/core/grad_mode.h>
#include <c10/core/impl/LocalDispatchKeySet.h>

namespace transformers::kernels {

// Keys that every CPU tensor carries. Subclasses, sparse, quantised, batched, conjugated ones and the like have more.
constexpr c10::DispatchKeySet kPlain({c10::DispatchKey::CPU, c10::DispatchKey::AutogradCPU,
                                      c10::DispatchKey::AutocastCPU, c10::DispatchKey::ADInplaceOrView});

static bool is_plain(const at::Tensor& x, at::ScalarType dtype) {
  return x.scalar_type() == dtype && (x.key_set().raw_repr() & ~kPlain.raw_repr()) == 0;
}

static bool carries_gradient(const at::Tensor& x) {
  return (at::GradMode::is_enabled() && x.requires_grad()) || x._fw_grad(/*level=*/0).defined();
}

bool can_fuse(std::initializer_list<const at::Tensor*> tensors) {
  if (!cpu::is_vectorized()) return false;
  // Autocast, vmap, functorch and tracing announce themselves as keys of the thread.
  const uint64_t included = c10::impl::tls_local_dispatch_key_set().included_.raw_repr();
  if ((included & ~c10::default_included_set.raw_repr()) != 0) return false;
  const at::Tensor& first = **tensors.begin();
  const auto dtype = first.scalar_type();
  if (dtype != at::kFloat && dtype != at::kBFloat16) return false;
  for (const at::Tensor* x : tensors) {
    if (x->defined() && (!is_plain(*x, dtype) || carries_gradient(*x))) return false;
  }
  return true;
}

}  // namespace transformers::kernels
