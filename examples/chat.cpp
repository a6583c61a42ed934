// One question to a language model, the answer as it is made: chat models/smollm2 "Why is the sky blue?"
#include <ATen/ops/tensor.h>

#include <cstdio>

#include "transformers/generation/streamers.h"
#include "transformers/pretrained/auto.h"

using namespace transformers;

int main(int count, char** words) try {
  if (count != 3) return std::puts("usage: chat MODEL QUESTION"), 2;
  const auto tokenizer = AutoTokenizer::from_pretrained(words[1]);
  const auto model = AutoModelForCausalLM::from_pretrained(words[1], {.dtype = "auto"});

  const Json messages = Json::Array{Json::Object{{"role", "user"}, {"content", words[2]}}};
  const auto prompt =
      tokenizer->encode(tokenizer->apply_chat_template(messages, {.add_generation_prompt = true}), false);
  const auto decode = [&](std::span<const int64_t> ids) { return tokenizer->decode(ids, true); };
  const auto print = [](std::string_view text) {
    std::printf("%.*s", int(text.size()), text.data()), std::fflush(stdout);
  };
  model->generate({.input_ids = at::tensor(prompt).unsqueeze(0)},
                  {.kwargs = Json::Object{{"max_new_tokens", 256}},
                   .streamer = std::make_shared<TextStreamer>(decode, print, /*skip_prompt=*/true)});
  std::puts("");
} catch (const std::exception& error) {
  return std::fprintf(stderr, "error: %s\n", error.what()), 1;
}
