#include <cstdlib>
#include <string>
#include <string_view>

#include "transformers/base/error.h"
#include "transformers/base/logging.h"
#include "transformers/tokenizers/tokenizer.h"

static void use(const transformers::Tokenizer& tokenizer) {
  for (const std::string_view text :
       {"", "Hello  wörld, it's 12 o'clock!\n", "<s>▁a </s>ab", "日本 e\u0301 ﷺ \U0001F600 \t"}) {
    const auto encoding = tokenizer.encode(text);
    const size_t count = encoding.ids.size();
    if (encoding.tokens.size() != count || encoding.offsets.size() != count || encoding.sequence_ids.size() != count)
      std::abort();
    static_cast<void>(tokenizer.decode(encoding.ids));
    static_cast<void>(tokenizer.encode_pair(text, "ab"));
  }
  static_cast<void>(tokenizer.to_json().dump());
}

// A tokenizer.json. Whatever loads is used; only ValueErrors come out of it, and OSErrors where it is no JSON.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace transformers;
  logging::set_verbosity(logging::Level::Error);
  try {
    use(*Tokenizer::from_json(Json::parse({reinterpret_cast<const char*>(data), size}), "input"));
  } catch (const ValueError&) {
  } catch (const OSError&) {
  }
  return 0;
}
