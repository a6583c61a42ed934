#include <cstdio>

#include "transformers/base/files.h"
#include "transformers/base/json.h"
#include "transformers/hub/snapshot.h"
#include "transformers/tokenizers/tokenizer.h"

constexpr const char* kTokenizer = R"({
  "added_tokens": [], "normalizer": null, "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null,
  "decoder": null, "truncation": null, "padding": null,
  "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": {"[UNK]": 0, "hello": 1, "wor": 2, "##ld": 3}}})";

int main() {
  const auto tokenizer = transformers::Tokenizer::from_json(transformers::Json::parse(kTokenizer));
  const bool right = tokenizer->encode("hello world").ids == std::vector<int64_t>{1, 2, 3};
  const bool torch_free = transformers::read_text("/proc/self/maps").find("libtorch") == std::string::npos;
  std::printf("ids %s, libtorch %s, cache in %s\n", right ? "right" : "wrong", torch_free ? "absent" : "loaded",
              transformers::hub_cache_folder().c_str());
  return right && torch_free ? 0 : 1;
}
