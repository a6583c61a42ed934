#include <string>
#include <string_view>

#include "input_folder.h"
#include "transformers/base/error.h"
#include "transformers/base/logging.h"
#include "transformers/tokenizers/auto_tokenizer.h"

namespace {

using namespace transformers;

constexpr std::string_view kFiles[] = {"tokenizer_config.json",
                                       "special_tokens_map.json",
                                       "added_tokens.json",
                                       "chat_template.jinja",
                                       "chat_template.json",
                                       "vocab.txt",
                                       "vocab.json",
                                       "merges.txt",
                                       "tokenizer.json"};

void use(const PreTrainedTokenizer& tokenizer) {
  const std::string texts[] = {"", "Hello  wörld, it's 12 o'clock!\n"};
  for (const auto& text : texts) static_cast<void>(tokenizer.decode(tokenizer.encode(text), true));
  const bool can_pad = tokenizer.special_token("pad_token").has_value();
  static_cast<void>(tokenizer(texts, {.padding = can_pad, .truncation = true, .max_length = 4}));
  if (tokenizer.has_chat_template())
    static_cast<void>(tokenizer.apply_chat_template(Json::parse(R"([{"role":"user","content":"Hi"}])"), {}));
}

}  // namespace

// The files of a tokenizer, one after another and parted by NUL; an empty one is not there.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const fuzz::InputFolder folder;
  logging::set_verbosity(logging::Level::Error);
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  for (const auto name : kFiles) {
    const auto content = rest.substr(0, rest.find('\0'));
    rest.remove_prefix(std::min(rest.size(), content.size() + 1));
    if (content.empty())
      folder.remove(name);
    else
      folder.write(name, content);
  }
  try {
    use(*AutoTokenizer::from_pretrained(folder.path()));
  } catch (const ValueError&) {
  } catch (const OSError&) {
  }
  return 0;
}
