#pragma once

#include <span>
#include <string>
#include <string_view>

namespace transformers::hub {

/// README.md with tags in its front matter. Tags that are there are left alone and the others put at the end of the
/// list; nothing else of a card changes, and a card that has all tags is given back as it is. An empty card becomes a
/// new one (library_name and tags), one without front matter gets it. `tags` in a form that cannot be extended safely
/// (an anchor, a mapping, a quote that does not end) is a Warning, and the card stays as it is. Takes linear time.
[[nodiscard]] std::string extend_model_card(std::string_view card, std::span<const std::string> tags);

}  // namespace transformers::hub
