#include "input_folder.h"

#include <stdlib.h>

#include <cstdlib>
#include <fstream>
#include <string>

namespace transformers::fuzz {

namespace fs = std::filesystem;

InputFolder::InputFolder() {
  std::string name = (fs::exists("/dev/shm") ? "/dev/shm" : fs::temp_directory_path().native()) + "/fuzz-XXXXXX";
  if (!::mkdtemp(name.data())) std::abort();  // no fault of the code under test, but nothing is tested
  path_ = name;
}

InputFolder::~InputFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

fs::path InputFolder::write(std::string_view name, std::string_view content) const {
  auto file = path_ / name;
  std::ofstream(file, std::ios::binary).write(content.data(), static_cast<std::streamsize>(content.size()));
  return file;
}

void InputFolder::remove(std::string_view name) const {
  std::error_code ignored;
  fs::remove(path_ / name, ignored);
}

}  // namespace transformers::fuzz
