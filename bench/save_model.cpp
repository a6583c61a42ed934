// Loads a model and saves it again; prints how long the save took, as JSON. Run by bench/checkpoints.py.
#include <chrono>
#include <cstdio>
#include <exception>
#include <string>

#include "transformers/pretrained/auto.h"
#include "transformers/pretrained/save.h"

int main(int count, char** arguments) try {
  using namespace transformers;
  if (count != 4) {
    std::fputs("usage: save_model SOURCE TARGET MAX_SHARD_SIZE\n", stderr);
    return 2;
  }
  const auto model = AutoModelForCausalLM::from_pretrained(std::string(arguments[1]), {.dtype = "auto"});
  const auto start = std::chrono::steady_clock::now();
  model->save_pretrained(arguments[2], {.max_shard_size = std::string(arguments[3])});
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  std::printf("{\"save_s\": %.4f}\n", taken.count());
} catch (const std::exception& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return 1;
}
