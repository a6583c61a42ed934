#pragma once

#include <torch/nn/module.h>

#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace transformers::nn {

/// Where and in which type new parameters are made; read by `parameter()` alone.
struct ParameterOptions {
  at::Device device = at::kCPU;
  at::ScalarType dtype = at::kFloat;
};

[[nodiscard]] const ParameterOptions& parameter_options();

/// Sets the options of this thread while it lives, so that a model stands on the meta device or in half precision
/// without touching the defaults of the process.
class ParameterScope {
 public:
  explicit ParameterScope(ParameterOptions options);
  ~ParameterScope();
  ParameterScope(const ParameterScope&) = delete;
  ParameterScope& operator=(const ParameterScope&) = delete;

 private:
  ParameterOptions previous_;
};

/// An uninitialised parameter of `shape` on the device and in the dtype of the current scope.
[[nodiscard]] at::Tensor new_parameter(at::IntArrayRef shape);

using Tensors = std::vector<at::Tensor*>;

/// What runs around the call of a module: offload, moving inputs between devices, gradients of frozen embeddings. The
/// tensors among the arguments and in the result may be replaced.
struct Hook {
  virtual ~Hook() = default;
  virtual void before(torch::nn::Module&, const Tensors& /*arguments*/) {}
  virtual void after(torch::nn::Module&, const Tensors& /*results*/) {}
  /// Runs instead of `after` when the call threw.
  virtual void failed(torch::nn::Module&) noexcept {}
};

// How the tensors of an argument or result are found; types with tensors inside add an overload found by lookup.
inline void collect_tensors(at::Tensor& tensor, Tensors& out) { out.push_back(&tensor); }
template <class T>
void collect_tensors(T&, Tensors&) {}

/// What each module of ours has beside torch's: replaceable slots for parameters and buffers, hooks, buffers that are
/// not saved.
class Facet {
 public:
  Facet() = default;
  Facet(const Facet&) = delete;
  Facet& operator=(const Facet&) = delete;
  virtual ~Facet() = default;

  /// Replaces a parameter or buffer, registry entry and member at once. Loading, tying, casting, offload and pruning go
  /// through it. Throws KeyError for an unknown name.
  virtual void assign(const std::string& name, at::Tensor value) = 0;
  /// Gives `forward` another tensor to compute with while the registry, and so what is saved, keeps its own: how
  /// weights that live elsewhere come for one call. Nothing happens for an unknown name.
  void lend(const std::string& name, at::Tensor value) noexcept {
    if (const auto slot = slots_.find(name); slot != slots_.end()) *slot->second = std::move(value);
  }
  /// Replaces a child module; its type must be that of the old one. Throws KeyError, TypeError.
  virtual void assign_child(const std::string& name, const std::shared_ptr<torch::nn::Module>& value) = 0;

  /// Runs `hook` around every call of this module until it is removed; several run in order, their ends in reverse.
  void add_hook(std::shared_ptr<Hook> hook) { hooks_.push_back(std::move(hook)); }
  void remove_hook(const Hook* hook);
  [[nodiscard]] const std::vector<std::shared_ptr<Hook>>& hooks() const { return hooks_; }

  [[nodiscard]] const std::set<std::string>& non_persistent_buffers() const { return non_persistent_; }

 protected:
  std::unordered_map<std::string, at::Tensor*> slots_;
  std::set<std::string> non_persistent_;

 private:
  std::vector<std::shared_ptr<Hook>> hooks_;
};

/// Ends the hooks that `before` was called on, whichever way the call ends.
class HookScope {
 public:
  HookScope(const Facet& facet, torch::nn::Module& module, const Tensors& arguments);
  ~HookScope();
  HookScope(const HookScope&) = delete;
  HookScope& operator=(const HookScope&) = delete;
  void finish(const Tensors& results);

 private:
  std::vector<std::shared_ptr<Hook>> hooks_;  // a copy: a hook may remove itself
  torch::nn::Module& module_;
  size_t open_ = 0;
};

namespace detail {
[[noreturn]] void no_slot(const std::string& name);
[[noreturn]] void wrong_child(const std::string& name);
[[noreturn]] void too_many_children(const std::string& name, int64_t count);
}  // namespace detail

template <class T>
class Ref;

/// A torch module class with our facet. Children and parameters are registered under the reference's names.
template <class Base>
class ModuleOf : public Base, public Facet {
 public:
  using Base::Base;

  void assign(const std::string& name, at::Tensor value) override {
    const auto slot = slots_.find(name);
    if (slot == slots_.end()) detail::no_slot(name);
    if (!this->parameters_.contains(name)) return slot->second->set_data(value);  // torch keeps its buffers private
    this->parameters_[name] = value;
    *slot->second = std::move(value);
  }

  void assign_child(const std::string& name, const std::shared_ptr<torch::nn::Module>& value) override {
    const auto slot = child_slots_.find(name);
    if (slot == child_slots_.end()) detail::no_slot(name);
    slot->second(value);
    this->replace_module(name, value);
  }

 protected:
  /// Makes and registers a child from its options: `child<Linear>("q_proj", {.in = …, .out = …})`.
  template <class M, class... Args>
  std::shared_ptr<M> child(std::string name, const typename M::Options& options, Args&&... args) {
    return this->register_module(std::move(name), std::make_shared<M>(options, std::forward<Args>(args)...));
  }
  /// Makes and registers a child whose constructor takes other arguments.
  template <class M, class... Args>
  std::shared_ptr<M> child_of(std::string name, Args&&... args) {
    return this->register_module(std::move(name), std::make_shared<M>(std::forward<Args>(args)...));
  }
  /// A module list `name` of `count` children made by `make(index)`; at most 100,000, so that a config cannot exhaust
  /// memory.
  template <class Make>
  auto children(std::string name, int64_t count, const Make& make) {
    using M = typename decltype(make(int64_t{0}))::element_type;
    if (count < 0 || count > 100'000) detail::too_many_children(name, count);
    auto list = this->register_module(std::move(name), std::make_shared<ModuleOf<torch::nn::Module>>());
    std::vector<Ref<M>> items;
    items.reserve(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i) items.emplace_back(list->register_module(std::to_string(i), make(i)));
    return items;
  }
  void parameter(const std::string& name, at::Tensor* slot, at::IntArrayRef shape) {
    auto value = new_parameter(shape);
    if (this->parameters_.contains(name))
      this->parameters_[name] = value;
    else
      this->register_parameter(name, value);
    *slot = std::move(value);
    slots_.insert_or_assign(name, slot);
  }
  /// A buffer, which holds real values even while the model stands on meta; one that is not persistent is not saved.
  void buffer(const std::string& name, at::Tensor* slot, at::Tensor value, bool persistent) {
    *slot = this->register_buffer(name, std::move(value));
    slots_.insert_or_assign(name, slot);
    if (!persistent) non_persistent_.insert(name);
  }
  /// Lets `assign_child` replace the child that `ref` holds.
  template <class T>
  void replaceable(const std::string& name, Ref<T>& ref) {
    child_slots_.insert_or_assign(name, [&ref, name](const std::shared_ptr<torch::nn::Module>& value) {
      auto typed = std::dynamic_pointer_cast<T>(value);
      if (!typed) detail::wrong_child(name);
      ref = std::move(typed);
    });
  }

 private:
  std::unordered_map<std::string, std::function<void(const std::shared_ptr<torch::nn::Module>&)>> child_slots_;
};
using Module = ModuleOf<torch::nn::Module>;

/// Handle to a child. Its call operator is the one seam for hooks; without one it costs a branch. A class with a
/// constant `kRunsOwnHooks` runs them in its `forward`, because it is also called without a handle.
template <class T>
class Ref {
 public:
  Ref() = default;
  template <class U>
  Ref(std::shared_ptr<U> module) : module_(std::move(module)) {}

  T* operator->() const { return module_.get(); }
  T& operator*() const { return *module_; }
  explicit operator bool() const { return module_ != nullptr; }
  const std::shared_ptr<T>& ptr() const { return module_; }

  template <class... Args>
  auto operator()(Args&&... args) const {
    T& module = *module_;
    if constexpr (requires { T::kRunsOwnHooks; }) return module.forward(std::forward<Args>(args)...);
    if (module.hooks().empty()) return module.forward(std::forward<Args>(args)...);
    return hooked(module, std::decay_t<Args>(args)...);  // copies of handles: hooks may replace them
  }

 private:
  template <class... Args>
  static auto hooked(T& module, Args... args) {
    Tensors tensors;
    (collect_tensors(args, tensors), ...);
    HookScope scope(module, module, tensors);
    auto result = module.forward(args...);
    tensors.clear();
    collect_tensors(result, tensors);
    scope.finish(tensors);
    return result;
  }

  std::shared_ptr<T> module_;
};

}  // namespace transformers::nn
