#include <string_view>

#include "input_file.h"
#include "transformers/base/error.h"
#include "transformers/base/logging.h"
#include "transformers/checkpoint/gguf.h"
#include "transformers/mapping/dialects/gguf.h"
#include "transformers/tokenizers/auto_tokenizer.h"

namespace {

using namespace transformers;

void use_tokenizer(const Json& metadata) {
  const auto tokenizer = AutoTokenizer::from_gguf(metadata, "input");
  for (const std::string_view text : {"", "Hello  wörld, it's 12 o'clock!\n", "<s>▁a </s>ab"})
    static_cast<void>(tokenizer->decode(tokenizer->encode(text)));
  if (tokenizer->has_chat_template())
    static_cast<void>(tokenizer->apply_chat_template(Json::parse(R"([{"role":"user","content":"Hi"}])"), {}));
}

// Runs `work`, of which ValueErrors are the only ones to come.
template <typename Work>
void allow_refusal(Work work) {
  try {
    work();
  } catch (const ValueError&) {
  }
}

}  // namespace

// A GGUF file as a model: its config, the names of its weights, its tokenizer and chat template.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  logging::set_verbosity(logging::Level::Error);
  const fuzz::InputFile input(data, size);
  std::unique_ptr<CheckpointReader> reader;
  try {
    reader = gguf_format.open(input.path());
  } catch (const OSError&) {
    return 0;
  }
  allow_refusal([&] { static_cast<void>(gguf_config(*reader, "input").dump()); });
  allow_refusal([&] { static_cast<void>(gguf_rules(*reader)); });
  allow_refusal([&] { use_tokenizer(reader->metadata()); });
  return 0;
}
