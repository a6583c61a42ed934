#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "transformers/base/json.h"

namespace transformers {

/// A compiled Jinja template, rendered as the reference renders chat templates: trim_blocks and lstrip_blocks on, loop
/// controls (`break`, `continue`), `{% generation %}` blocks, `raise_exception`, `strftime_now`, `tojson` without
/// escaping of HTML. It is data: no attribute access beyond the values given, no files, no code; steps, memory of
/// all values (64 MiB and four times the variables), output size, recursion and loop counts are bounded. Immutable and
/// thread-safe.
class ChatTemplate {
 public:
  /// Throws ValueError naming line and what was expected when the template does not parse.
  explicit ChatTemplate(std::string_view source);
  ~ChatTemplate();
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;

  /// `variables`: an object; `messages`, `tools`, `add_generation_prompt`, `bos_token` … Throws ValueError with the
  /// template's own text, cut at 1000 bytes, when it calls `raise_exception`, and naming the line for anything
  /// undefined or out of bounds.
  [[nodiscard]] std::string render(const Json& variables) const;

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace transformers
