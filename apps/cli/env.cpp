#include <dlfcn.h>
#include <sys/utsname.h>

#include <thread>

#include "apps/cli/options.h"
#include "apps/cli/system.h"
#include "apps/cli/terminal.h"
#include "transformers/base/files.h"
#include "transformers/base/strings.h"
#include "transformers/config/version.h"
#include "transformers/kernels/cpu_features.h"

namespace transformers::cli {

namespace {

constexpr const char* kVariables[] = {"HF_HOME",
                                      "HF_HUB_CACHE",
                                      "HUGGINGFACE_HUB_CACHE",
                                      "TRANSFORMERS_CACHE",
                                      "XDG_CACHE_HOME",
                                      "XDG_STATE_HOME",
                                      "HF_ENDPOINT",
                                      "HF_HUB_OFFLINE",
                                      "TRANSFORMERS_OFFLINE",
                                      "HF_TOKEN",
                                      "HUGGING_FACE_HUB_TOKEN",
                                      "HF_TOKEN_PATH",
                                      "HF_HUB_DISABLE_IMPLICIT_TOKEN",
                                      "HF_HUB_DISABLE_PROGRESS_BARS",
                                      "HF_HUB_DISABLE_SYMLINKS",
                                      "HF_HUB_DOWNLOAD_TIMEOUT",
                                      "HF_HUB_ETAG_TIMEOUT",
                                      "CURL_CA_BUNDLE",
                                      "REQUESTS_CA_BUNDLE",
                                      "SSL_CERT_DIR",
                                      "SSL_CERT_FILE",
                                      "HTTP_PROXY",
                                      "HTTPS_PROXY",
                                      "ALL_PROXY",
                                      "NO_PROXY",
                                      "http_proxy",
                                      "https_proxy",
                                      "all_proxy",
                                      "no_proxy",
                                      "TRANSFORMERS_VERBOSITY",
                                      "TRANSFORMERS_NO_ADVISORY_WARNINGS",
                                      "TRANSFORMERS_CPU_ISA",
                                      "HF_DEACTIVATE_ASYNC_LOAD",
                                      "LOCAL_RANK",
                                      "CUDA_VISIBLE_DEVICES",
                                      "OMP_NUM_THREADS",
                                      "MKL_NUM_THREADS"};

Json cpu_features() {
  Json list = Json::list();
#if defined(__x86_64__)
  const std::pair<const char*, bool> features[] = {{"sse4.2", __builtin_cpu_supports("sse4.2")},
                                                   {"avx", __builtin_cpu_supports("avx")},
                                                   {"avx2", __builtin_cpu_supports("avx2")},
                                                   {"fma", __builtin_cpu_supports("fma")},
                                                   {"avx512f", __builtin_cpu_supports("avx512f")},
                                                   {"avx512bw", __builtin_cpu_supports("avx512bw")},
                                                   {"avx512vl", __builtin_cpu_supports("avx512vl")},
                                                   {"avx512dq", __builtin_cpu_supports("avx512dq")},
                                                   {"avx512vnni", __builtin_cpu_supports("avx512vnni")},
                                                   {"avx512bf16", __builtin_cpu_supports("avx512bf16")}};
  for (const auto& [name, is_there] : features)
    if (is_there) list.push_back(name);
#endif
  return list;
}

// The GPUs that libtorch would see, asked of the driver: libtorch itself takes a second to load.
void add_gpus(Json& devices) {
  void* driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!driver) return;
  const auto call = [&](const char* name, auto... arguments) {
    const auto function = reinterpret_cast<int (*)(decltype(arguments)...)>(dlsym(driver, name));
    return function && function(arguments...) == 0;
  };
  int count = 0;
  if (!call("cuInit", 0U) || !call("cuDeviceGetCount", &count)) return;
  for (int i = 0; i < count; ++i) {
    char name[256] = {};
    int device = 0;
    if (!call("cuDeviceGet", &device, i) || !call("cuDeviceGetName", &name[0], static_cast<int>(sizeof name), device))
      continue;
    devices.push_back(str("cuda:", i, " ", name));
  }
}

Json devices() {
  auto list = Json::list();
  list.push_back("cpu");
  if (TRANSFORMERS_LIBTORCH_CUDA) add_gpus(list);
  return list;
}

std::string processor() {
  for (const auto& line : split(read_system_file("/proc/cpuinfo"), '\n'))
    if (line.starts_with("model name")) return std::string(trim(std::string_view(line).substr(line.find(':') + 1)));
  return "unknown";
}

std::string platform() {
  utsname names = {};
  return uname(&names) == 0 ? str(names.sysname, " ", names.release, " ", names.machine) : "unknown";
}

// Reports are pasted in public: of a secret only that it is there.
std::string shown(std::string_view name, const std::string& value) {
  const bool may_be_secret = name.ends_with("TOKEN") || name.ends_with("_PROXY") || name.ends_with("_proxy");
  return may_be_secret ? "set" : value;
}

Json variables() {
  Json set = Json::object();
  for (const char* name : kVariables)
    if (const auto value = environment(name); !value.empty()) set[name] = shown(name, value);
  return set;
}

std::string plain(const Json& value) {
  if (value.is_string()) return value.as_string();
  if (!value.is_array()) return value.dump();
  std::vector<std::string> parts;
  for (const auto& part : value.as_array()) parts.push_back(plain(part));
  return join(parts, " ");
}

void print_table(const Json& report) {
  for (const auto& [key, value] : report.as_object()) {
    if (!value.is_object()) {
      auto head = key;
      head.resize(24, ' ');
      write_out(str(head, plain(value), "\n"));
      continue;
    }
    if (value.size() > 0) write_out(str(key, "\n"));
    for (const auto& [name, text] : value.as_object()) write_out(str("  ", name, "=", plain(text), "\n"));
  }
}

int run(const Arguments& arguments) {
  Json report = Json::object();
  report["transformers_cpp"] = kVersion;
  report["reference"] = kReferenceVersion;
  report["libtorch"] = TRANSFORMERS_LIBTORCH;
  report["compiler"] = __VERSION__;
  report["platform"] = platform();
  report["processor"] = processor();
  report["cpu_features"] = cpu_features();
  report["kernels"] = kernels::active_instruction_set();
  report["threads"] = static_cast<int64_t>(std::thread::hardware_concurrency());
  report["devices"] = devices();
  report["hub_cache"] = hub_cache_folder().native();
  report["environment"] = variables();
  if (arguments.has("json"))
    write_out(report.dump() + "\n");
  else
    print_table(report);
  return 0;
}

}  // namespace

extern const Command env_command;
constinit const Command env_command{
    .name = "env",
    .summary = "versions, processor features, devices, cache folders and environment variables in force",
    .usage = "[--json]",
    .options = [] { return std::vector{general_options(true)}; },
    .run = run,
};

}  // namespace transformers::cli
