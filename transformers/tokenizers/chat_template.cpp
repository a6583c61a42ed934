#include "transformers/tokenizers/chat_template.h"

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/tokenizers/jinja/ast.h"
#include "transformers/tokenizers/jinja/interpreter.h"

namespace transformers {

constexpr size_t kMaxTemplate = size_t{1} << 20;  // a syntax tree takes a hundred times as much

struct ChatTemplate::Impl {
  jinja::Program program;
};

static std::string_view checked(std::string_view source) {
  if (source.size() > kMaxTemplate)
    throw ValueError(str("chat template: expected at most ", kMaxTemplate, " bytes, found ", source.size()));
  if (!is_utf8(source)) throw ValueError("chat template: expected UTF-8 text, found other bytes");
  return source;
}

ChatTemplate::ChatTemplate(std::string_view source)
    : impl_(std::make_unique<Impl>(Impl{jinja::parse(checked(source))})) {}
ChatTemplate::~ChatTemplate() = default;
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;

std::string ChatTemplate::render(const Json& variables) const {
  return jinja::Interpreter(impl_->program, variables).run();
}

}  // namespace transformers
