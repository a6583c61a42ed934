#include <string_view>

#include "transformers/base/error.h"
#include "transformers/tokenizers/chat_template.h"

// A template, rendered for a conversation with tools. Only ValueErrors come out of it.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace transformers;
  static const Json variables = Json::parse(
      R"({"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Hi! <b>&</b> é"},)"
      R"({"role":"assistant","content":null,"tool_calls":[{"function":{"name":"f","arguments":{"x":1.5,"y":[1,null]}}}]}],)"
      R"("tools":[{"type":"function","function":{"name":"f"}}],"add_generation_prompt":true,"bos_token":"<s>"})");
  try {
    static_cast<void>(ChatTemplate({reinterpret_cast<const char*>(data), size}).render(variables));
  } catch (const ValueError&) {
  }
  return 0;
}
