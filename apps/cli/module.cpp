#include "apps/cli/module.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "transformers/base/files.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"

namespace transformers::cli {

namespace fs = std::filesystem;

namespace {

// Beside this program: ../lib in the build tree, the library folder of the installation otherwise.
fs::path module_file() {
  const auto prefix = fs::read_symlink("/proc/self/exe").parent_path().parent_path();
  for (const auto* folder : {"lib", TRANSFORMERS_LIBRARY_FOLDER}) {
    auto file = prefix / folder / "libtransformers_commands.so";
    if (fs::exists(file)) return file;
  }
  throw OSError(str(prefix / "lib" / "libtransformers_commands.so",
                    ": not found; this command needs it, it holds what runs on libtorch"));
}

constexpr const char* kSpins = "1000";

// The OpenMP runtime complains about it in lines of its own, and takes what it likes.
void check_thread_variable() {
  constexpr const char* kName = "OMP_NUM_THREADS";
  const auto value = environment(kName);
  const auto counts = split(value, ',');
  const bool is_good = std::all_of(counts.begin(), counts.end(), [](const std::string& part) {
    const auto count = trim(part);
    return is_digits(count) && count.size() < 7 && count.find_first_not_of('0') != std::string_view::npos;
  });
  if (value.empty() || is_good) return;
  logging::warning(str(kName, " is ", quote(value), ", expected a number of threads; it is taken as not set"));
  ::unsetenv(kName);
}

// Threads that wait for each other spin for milliseconds, as libgomp would have it. Where anything else wants the
// cores, they keep it from working, and generation takes ten times as long; a short spin costs next to nothing.
void set_spinning() {
  if (environment("OMP_WAIT_POLICY").empty()) ::setenv("GOMP_SPINCOUNT", kSpins, /*overwrite=*/0);
}

}  // namespace

int run_in_module(std::string_view name, const Arguments& arguments) {
  check_thread_variable();
  set_spinning();
  const auto file = module_file();
  void* module = dlopen(file.c_str(), RTLD_LAZY | RTLD_LOCAL);  // stays open: libtorch does not unload
  if (!module) throw OSError(str(file, ": cannot be opened: ", dlerror()));
  auto* entry = reinterpret_cast<ModuleEntry*>(dlsym(module, kModuleEntry));
  if (!entry) throw OSError(str(file, ": has no ", kModuleEntry, "; it belongs to another version of this program"));
  return entry(name, arguments);
}

}  // namespace transformers::cli
