#include "transformers/placement/infer_device_map.h"

#include <algorithm>
#include <limits>
#include <list>
#include <map>
#include <set>

#include "transformers/base/error.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"

namespace transformers {

namespace {

constexpr int64_t kUnlimited = std::numeric_limits<int64_t>::max();

// A module, or a parameter or buffer that belongs to a divided one.
struct Item {
  const SizedModule* module = nullptr;
  const SizedTensor* tensor = nullptr;
  [[nodiscard]] const std::string& name() const { return module ? module->name : tensor->name; }
  [[nodiscard]] int64_t bytes() const { return module ? module->bytes : tensor->bytes; }
  [[nodiscard]] bool holds(const std::string& parameter) const {
    const auto& own = name();
    return parameter.starts_with(own) && (parameter.size() == own.size() || parameter[own.size()] == '.');
  }
};
using Items = std::list<Item>;

// Parameters, children, buffers: the order in which the reference treats them.
Items parts_of(const SizedModule& module) {
  Items out;
  for (const auto& tensor : module.tensors)
    if (!tensor.is_buffer) out.push_back({.tensor = &tensor});
  for (const auto& child : module.children) out.push_back({.module = &child});
  for (const auto& tensor : module.tensors)
    if (tensor.is_buffer) out.push_back({.tensor = &tensor});
  return out;
}

int64_t buffer_bytes(const SizedModule& module) {
  int64_t bytes = 0;
  for (const auto& tensor : module.tensors) bytes += tensor.is_buffer ? tensor.bytes : 0;
  for (const auto& child : module.children) bytes += buffer_bytes(child);
  return bytes;
}

class Planner {
 public:
  Planner(const SizedModule& model, const DeviceBudget& budget, const PlacementLimits& limits)
      : limits_(limits), devices_(budget), left_(parts_of(model)) {
    if (devices_.empty() || devices_.back().first != Device("disk"))
      devices_.emplace_back("disk", kUnlimited);
    else
      devices_.back().second = kUnlimited;
    used_.resize(devices_.size());
    has_accelerator_ = !is_host(devices_.front().first);
  }

  DeviceMap run() {
    while (!left_.empty()) {
      const auto item = left_.front();
      left_.pop_front();
      hold_back_ = largest_left();
      const auto mates = mates_of(item);
      int64_t with_mates = item.bytes();
      for (const auto mate : mates) with_mates += mate->bytes();
      if (used_[at_] + with_mates <= room()) {
        place(item, mates, with_mates);
      } else if (used_[at_] + item.bytes() <= room() && divide_one_of(mates)) {
        left_.push_front(item);
      } else if (can_divide(item)) {
        left_.splice(left_.begin(), parts_of(*item.module));
      } else {
        open_next_device(with_mates);
        left_.push_front(item);
      }
    }
    report();
    return limits_.clean_result ? cleaned() : map_;
  }

 private:
  [[nodiscard]] static bool is_host(const Device& device) {
    return device == Device("cpu") || device == Device("disk");
  }

  // An offloaded layer must fit where it computes: on the first accelerator, and on its way there on the CPU.
  [[nodiscard]] int64_t reserve() const {
    const auto& device = devices_[at_].first;
    const bool has_mps = devices_.front().first == Device("mps");
    const bool is_main =
        device == Device("mps") || (!has_mps && (device == Device("cpu") || (at_ == 0 && has_accelerator_)));
    return is_main ? hold_back_ : 0;
  }
  [[nodiscard]] int64_t room() const {
    return devices_[at_].second == kUnlimited ? kUnlimited : devices_[at_].second - reserve();
  }
  [[nodiscard]] int64_t largest_left() const {
    int64_t most = 0;
    for (const auto& item : left_)
      most = std::max(most, item.module ? largest_layer_bytes(*item.module, limits_.no_split) : item.bytes());
    return most;
  }
  [[nodiscard]] bool can_divide(const Item& item) const {
    if (!item.module || item.module->children.empty()) return false;
    return std::find(limits_.no_split.begin(), limits_.no_split.end(), item.module->class_name) ==
           limits_.no_split.end();
  }

  // The items still to be placed that share a parameter with this one.
  std::vector<Items::iterator> mates_of(const Item& item) {
    std::vector<Items::iterator> mates;
    for (const auto& group : limits_.tied) {
      if (std::none_of(group.begin(), group.end(), [&](const auto& name) { return item.holds(name); })) continue;
      for (const auto& name : group) {
        const auto mate =
            std::find_if(left_.begin(), left_.end(), [&](const Item& other) { return other.holds(name); });
        if (mate != left_.end() && std::find(mates.begin(), mates.end(), mate) == mates.end()) mates.push_back(mate);
      }
    }
    return mates;
  }

  void place(const Item& item, const std::vector<Items::iterator>& mates, int64_t bytes) {
    used_[at_] += bytes;
    assign(item);
    for (const auto mate : mates) {
      assign(*mate);
      left_.erase(mate);
    }
  }
  void assign(const Item& item) {
    map_.set(item.name(), devices_[at_].first);
    if (!limits_.offload_buffers && item.module && is_host(devices_[at_].first))
      host_buffer_bytes_ += buffer_bytes(*item.module);
  }

  bool divide_one_of(const std::vector<Items::iterator>& mates) {
    for (const auto mate : mates) {
      if (!can_divide(*mate)) continue;
      left_.splice(mate, parts_of(*mate->module));
      left_.erase(mate);
      return true;
    }
    return false;
  }

  void open_next_device(int64_t needed) {
    if (used_[at_] == 0) too_small_.push_back(str(to_string(devices_[at_].first), " would need ", needed + reserve()));
    ++at_;
  }

  void report() const {
    if (!too_small_.empty())
      logging::info(str("no module fits these devices within their limits: ", join(too_small_, ", "),
                        " bytes for the first of them"));
    if (host_buffer_bytes_ == 0 || !has_accelerator_) return;
    for (size_t i = 0; i < devices_.size(); ++i)
      if (!is_host(devices_[i].first) && devices_[i].second - used_[i] >= host_buffer_bytes_) return;
    logging::warning(str("the buffers of the offloaded layers take ", host_buffer_bytes_,
                         " bytes, which fit no accelerator; if memory runs out, set offload_buffers"));
  }

  // Merges upward: a module all of whose entries are on one device is one entry, in the place of the last of them.
  [[nodiscard]] DeviceMap cleaned() const {
    DeviceMap map = map_;
    clean_below("", map);
    return map;
  }
  static void clean_below(const std::string& module, DeviceMap& map) {
    const auto prefix = module.empty() ? module : module + ".";
    std::vector<std::string> inside;
    std::set<std::string> devices, children;
    for (const auto& [name, device] : map) {
      if (!name.starts_with(prefix)) continue;
      inside.push_back(name);
      devices.insert(to_string(device));
      children.insert(name.substr(0, name.find('.', prefix.size())));
    }
    if (devices.size() == 1 && inside.size() > 1) {
      const Device device = *map.find(inside.front());
      for (const auto& name : inside) map.erase(name);
      map.set(module, device);
      return;
    }
    for (const auto& child : children)
      if (child.size() > module.size()) clean_below(child, map);
  }

  const PlacementLimits& limits_;
  DeviceBudget devices_;
  Items left_;
  DeviceMap map_;
  std::vector<int64_t> used_;
  std::vector<std::string> too_small_;
  size_t at_ = 0;
  int64_t hold_back_ = 0, host_buffer_bytes_ = 0;
  bool has_accelerator_ = false;
};

void add_bytes(const SizedModule& module, const DeviceMap& map, std::vector<std::pair<Device, int64_t>>& totals) {
  for (const auto& tensor : module.tensors) {
    const auto* device = find_device(map, tensor.name);
    if (!device) continue;
    auto row = std::find_if(totals.begin(), totals.end(), [&](const auto& total) { return total.first == *device; });
    if (row == totals.end()) row = totals.insert(totals.end(), {*device, 0});
    row->second += tensor.bytes;
  }
  for (const auto& child : module.children) add_bytes(child, map, totals);
}

}  // namespace

DeviceMap infer_device_map(const SizedModule& model, const DeviceBudget& budget, const PlacementLimits& limits) {
  return Planner(model, budget, limits).run();
}

std::vector<std::pair<Device, int64_t>> bytes_per_device(const SizedModule& model, const DeviceMap& map) {
  std::vector<std::pair<Device, int64_t>> totals;
  add_bytes(model, map, totals);
  return totals;
}

}  // namespace transformers
