// Loads a model and prints how much anonymous memory that took at most; tests/pretrained/memory_test.cpp reads it.
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/linear.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

#include "transformers/base/error.h"
#include "transformers/pretrained/auto.h"
#include "transformers/pretrained/load_sharded.h"

namespace {

using namespace transformers;

// RssAnon of this process, in bytes.
int64_t anonymous_bytes() {
  int64_t kib = -1;
  if (std::FILE* status = std::fopen("/proc/self/status", "r")) {
    char line[256];
    while (std::fgets(line, sizeof line, status))
      if (std::sscanf(line, "RssAnon: %ld kB", &kib) == 1) break;
    std::fclose(status);
  }
  return kib * 1024;
}

// Notes the most that was ever seen, looking all the time: the kernel keeps a peak for all memory only, mapped files
// included.
class Watch {
 public:
  Watch()
      : before_(anonymous_bytes()), most_(before_), thread_([this] {
          while (!stop_) {
            if (const auto now = anonymous_bytes(); now > most_) most_ = now;
            std::this_thread::yield();
          }
        }) {}
  int64_t grown_by() {
    stop_ = true;
    thread_.join();
    return std::max<int64_t>(most_, anonymous_bytes()) - before_;
  }

 private:
  int64_t before_;
  std::atomic<int64_t> most_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

int64_t load(const std::string& folder, const std::string& dtype) {
  Watch watch;
  const auto model = load_by_class_name(folder, "", {.dtype = dtype});
  const auto grown = watch.grown_by();
  return model->num_parameters() > 0 ? grown : -1;
}

// Layers of 16 MiB, without a bias.
int64_t load_sharded(const std::string& folder, int layers) {
  torch::nn::Sequential model;
  for (int i = 0; i < layers; ++i)
    model->push_back(torch::nn::Linear(torch::nn::LinearOptions(2048, 2048).bias(false)));
  Watch watch;
  load_sharded_checkpoint(*model, folder);
  return watch.grown_by();
}

}  // namespace

int main(int count, char** words) {
  if (count != 4) return 2;
  try {
    const auto grown =
        std::strcmp(words[1], "load") == 0 ? load(words[2], words[3]) : load_sharded(words[2], std::atoi(words[3]));
    std::printf("%lld\n", static_cast<long long>(grown));
  } catch (const Error& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
  return 0;
}
