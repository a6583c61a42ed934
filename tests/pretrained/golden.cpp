#include "golden.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros_like.h>

#include <cstdlib>
#include <cstring>

#include "transformers/base/strings.h"
#include "transformers/nn/dtypes.h"

namespace transformers::testing {

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "transformers-test-XXXXXX").string();
  path = ::mkdtemp(pattern.data());
}

std::filesystem::path data_folder() { return TRANSFORMERS_TEST_DATA; }

std::vector<std::string> golden_folders() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(data_folder()))
    if (std::filesystem::exists(entry.path() / "cases.json") && entry.path().filename() != "generation")
      names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

std::map<std::string, at::Tensor> read_tensors(const std::filesystem::path& file) {
  const auto reader = open_checkpoint(file);
  std::map<std::string, at::Tensor> tensors;
  for (const auto& entry : reader->entries()) {
    auto tensor = at::empty(entry.shape, *to_scalar_type(entry.dtype));
    const auto data = reader->bytes(entry);
    if (!data.bytes.empty()) std::memcpy(tensor.mutable_data_ptr(), data.bytes.data(), data.bytes.size());
    tensors.emplace(entry.name, tensor);
  }
  return tensors;
}

std::string difference(const at::Tensor& found, const at::Tensor& expected, double tolerance) {
  if (found.sizes() != expected.sizes())
    return transformers::str("shape ", found.sizes(), ", expected ", expected.sizes());
  if (expected.numel() == 0) return {};
  const auto a = found.to(at::kDouble).flatten(), b = expected.to(at::kDouble).flatten();
  auto error = (a - b).abs();
  error = error.masked_fill(b.isnan(), 0.0);       // not compared
  error = error.masked_fill(error.isnan(), 1e30);  // a NaN of ours
  error = error.masked_fill(a.eq(b), 0.0);         // equal infinities
  const double worst = error.max().item<double>();
  if (worst <= tolerance) return {};
  const auto at = error.gt(tolerance).to(at::kInt).argmax().item<int64_t>();
  return str("first difference at flat index ", at, ": ", a[at].item<double>(), ", expected ", b[at].item<double>(),
             "; largest error ", worst, ", allowed ", tolerance);
}

}  // namespace transformers::testing
