#include <ATen/core/Tensor.h>

#include <algorithm>
#include <charconv>

#include "apps/cli/terminal.h"
#include "apps/cli/torch/loading.h"
#include "apps/cli/torch/registry_torch.h"
#include "transformers/base/files.h"
#include "transformers/base/strings.h"
#include "transformers/pretrained/sentence_transformer.h"

namespace transformers::cli {

namespace {

constexpr size_t kMostSentences = 1024;  // at a time, so that a long stdin is answered as it comes

std::string json_line(const float* values, int64_t count) {
  std::string line = "[";
  char digits[32];
  for (int64_t i = 0; i < count; ++i) {
    if (i > 0) line += ',';
    const auto end = std::to_chars(digits, digits + sizeof digits, values[i]).ptr;  // shortest that reads back the same
    line.append(digits, end);
  }
  return line + "]\n";
}

// NumPy's format, version 1.0: the data begin at a multiple of 64 bytes.
std::string npy_header(int64_t rows, int64_t columns) {
  auto text = str("{'descr': '<f4', 'fortran_order': False, 'shape': (", rows, ", ", columns, "), }");
  text.append(63 - (10 + text.size()) % 64, ' ');
  text += '\n';
  std::string header("\x93NUMPY\x01\x00", 8);
  header += static_cast<char>(text.size() & 0xff);
  header += static_cast<char>(text.size() >> 8);
  return header + text;
}

std::string format_of(const Arguments& arguments) {
  const auto by_name = arguments.text("output").ends_with(".npy") ? "npy" : "json";
  if (arguments.has("json") && arguments.text("format", "json") == "npy")
    throw UsageError("--json and --format npy exclude each other");
  if (arguments.has("json")) return "json";
  return arguments.text("format", by_name);
}

// The lines of stdin, counted.
class Sentences {
 public:
  /// At most `most`; no more than stand there already where somebody waits for the answer to each.
  std::vector<std::string> read(size_t most, bool may_wait) {
    std::vector<std::string> sentences;
    std::string line;
    while (sentences.size() < most && (sentences.empty() || may_wait || input_is_ready()) && read_line(line)) {
      ++number_;
      if (!is_utf8(line)) throw ValueError(str("stdin: line ", number_, " is not UTF-8: ", quote(line)));
      sentences.push_back(line);
    }
    return sentences;
  }

 private:
  int64_t number_ = 0;
};

std::string_view bytes_of(const at::Tensor& dense) {
  return {static_cast<const char*>(dense.const_data_ptr()), static_cast<size_t>(dense.nbytes())};
}

// Where the result goes: a file that appears whole, or stdout.
class Target {
 public:
  explicit Target(const Arguments& arguments) {
    if (const auto file = arguments.find("output")) file_ = std::make_unique<AtomicFile>(*file);
  }
  void write(std::string_view text) {
    if (file_) return file_->write(text);
    write_out(text);
    flush_out();
  }
  void commit() {
    if (file_) file_->commit();
  }

 private:
  std::unique_ptr<AtomicFile> file_;
};

// The first answers come soon; larger groups, sorted by length, take less time for each sentence.
void write_json(const SentenceTransformer& model, const SentenceTransformer::EncodeOptions& options, Target& target) {
  Sentences input;
  auto most = static_cast<size_t>(options.batch_size);
  for (auto sentences = input.read(most, /*may_wait=*/false); !sentences.empty();
       sentences = input.read(most, /*may_wait=*/false)) {
    const auto embeddings = model.encode(sentences, options).contiguous();
    std::string lines;
    for (int64_t row = 0; row < embeddings.size(0); ++row)
      lines += json_line(embeddings.const_data_ptr<float>() + row * embeddings.size(1), embeddings.size(1));
    target.write(lines);
    most = std::max(most, std::min(2 * most, kMostSentences));
  }
}

void write_npy(const SentenceTransformer& model, const SentenceTransformer::EncodeOptions& options, Target& target) {
  const auto sentences =
      Sentences().read(std::numeric_limits<size_t>::max(), /*may_wait=*/true);  // the header tells their number
  const auto embeddings = model.encode(sentences, options).contiguous();
  target.write(npy_header(embeddings.size(0), embeddings.size(1)));
  target.write(bytes_of(embeddings));
}

}  // namespace

int run_embed(const Arguments& arguments) {
  const bool is_npy = format_of(arguments) == "npy";
  if (is_npy && !arguments.has("output") && stdout_is_terminal())
    throw UsageError("an .npy array is no text for a terminal; give --output FILE.npy");
  if (arguments.has("class")) throw UsageError("--class: embeddings come from the model's encoder; leave it out");
  refuse_files_of_model(arguments, {"output"});
  Target target(arguments);
  const auto model = SentenceTransformer::from_pretrained(arguments.positional.front(), loading_arguments(arguments));
  const SentenceTransformer::EncodeOptions options{.batch_size = arguments.integer("batch-size", 32)};
  is_npy ? write_npy(model, options, target) : write_json(model, options, target);
  target.commit();
  return 0;
}

}  // namespace transformers::cli
