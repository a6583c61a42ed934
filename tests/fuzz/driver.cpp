// Runs a fuzz target where libFuzzer is not at hand: over the files and folders named on the command line, and over
// `--mutations N` changed copies of each, the same ones in every run.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

using Input = std::vector<uint8_t>;

std::vector<std::filesystem::path> collect(const std::filesystem::path& path) {
  if (!std::filesystem::is_directory(path)) return {path};
  std::vector<std::filesystem::path> files;
  for (const auto& item : std::filesystem::recursive_directory_iterator(path))
    if (item.is_regular_file()) files.push_back(item.path());
  std::sort(files.begin(), files.end());
  return files;
}

Input read(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

// A few edits: a byte, a run of one value (numbers at their limits), a cut, or a piece copied elsewhere.
Input mutate(Input input, std::mt19937& random) {
  for (unsigned edits = 1 + random() % 4; edits > 0 && !input.empty(); --edits) {
    const size_t at = random() % input.size(), length = std::min<size_t>(1 + random() % 8, input.size() - at);
    const auto begin = input.begin() + static_cast<std::ptrdiff_t>(at),
               end = begin + static_cast<std::ptrdiff_t>(length);
    switch (random() % 5) {
      case 0: *begin = static_cast<uint8_t>(random()); break;
      case 1: std::fill(begin, end, random() % 2 ? uint8_t{0xff} : uint8_t{0}); break;
      case 2: input.resize(at); break;
      case 3:
        std::copy(begin, end, input.begin() + static_cast<std::ptrdiff_t>(random() % (input.size() - length + 1)));
        break;
      default: *begin = static_cast<uint8_t>(*begin ^ 1U << random() % 8); break;
    }
  }
  return input;
}

void run(const Input& input) {
  const Input exact(input.begin(), input.end());  // no spare capacity: a sanitizer sees a read beyond the end
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

}  // namespace

int main(int argc, char** argv) {
  int mutations = 0;
  size_t inputs = 0;
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--mutations" && i + 1 < argc) {
      mutations = std::atoi(argv[++i]);
      continue;
    }
    for (const auto& file : collect(argv[i])) {
      const Input input = read(file);
      std::mt19937 random(1);
      run(input);
      for (int k = 0; k < mutations; ++k) run(mutate(input, random));
      ++inputs;
    }
  }
  std::printf("%zu inputs, %d mutations of each\n", inputs, mutations);
  return inputs == 0 ? 1 : 0;
}
