#include "transformers/nn/module.h"

#include <ATen/ops/empty.h>

#include <algorithm>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"

namespace transformers::nn {

namespace {
thread_local ParameterOptions current_options;
}

const ParameterOptions& parameter_options() { return current_options; }

ParameterScope::ParameterScope(ParameterOptions options) : previous_(current_options) { current_options = options; }

ParameterScope::~ParameterScope() { current_options = previous_; }

at::Tensor new_parameter(at::IntArrayRef shape) {
  const auto& options = parameter_options();
  return at::empty(shape, at::TensorOptions().device(options.device).dtype(options.dtype)).set_requires_grad(true);
}

void Facet::remove_hook(const Hook* hook) {
  std::erase_if(hooks_, [&](const auto& held) { return held.get() == hook; });
}

HookScope::HookScope(const Facet& facet, torch::nn::Module& module, const Tensors& arguments)
    : hooks_(facet.hooks()), module_(module) {
  try {
    for (; open_ < hooks_.size(); ++open_) hooks_[open_]->before(module_, arguments);
  } catch (...) {  // the destructor does not run for a constructor that throws
    while (open_ > 0) hooks_[--open_]->failed(module_);
    throw;
  }
}

void HookScope::finish(const Tensors& results) {
  while (open_ > 0) hooks_[--open_]->after(module_, results);
}

HookScope::~HookScope() {
  while (open_ > 0) hooks_[--open_]->failed(module_);
}

namespace detail {

void no_slot(const std::string& name) { throw KeyError(str("no parameter, buffer or child ", quote(name))); }

void wrong_child(const std::string& name) {
  throw TypeError(str("the module given for ", quote(name), " is of another type than the one it replaces"));
}

void too_many_children(const std::string& name, int64_t count) {
  throw ValueError(str("the config asks for ", count, " modules in ", quote(name), ", expected 0 to 100000"));
}

}  // namespace detail

}  // namespace transformers::nn
