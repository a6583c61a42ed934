#include "transformers/generation/streamers.h"

#include "transformers/base/error.h"
#include "transformers/base/strings.h"

namespace transformers {

namespace {

// The last code point of well-formed UTF-8 text; 0 when there is none.
char32_t last_code_point(std::string_view text) {
  size_t start = text.size();
  while (start > 0 && text.size() - start < 4) {
    const auto byte = static_cast<unsigned char>(text[--start]);
    if ((byte & 0xC0U) == 0x80U) continue;
    const size_t length = text.size() - start;
    char32_t code = length == 1 ? byte : byte & (0xFFU >> (length + 1));
    for (size_t i = start + 1; i < text.size(); ++i) code = code << 6U | (static_cast<unsigned char>(text[i]) & 0x3FU);
    return code;
  }
  return 0;
}

// CJK ideographs stand without spaces; kana and hangul are words with spaces to the reference.
bool is_cjk(char32_t code) {
  constexpr std::pair<char32_t, char32_t> ranges[] = {{0x4E00, 0x9FFF},   {0x3400, 0x4DBF},   {0x20000, 0x2A6DF},
                                                      {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F}, {0x2B820, 0x2CEAF},
                                                      {0xF900, 0xFAFF},   {0x2F800, 0x2FA1F}};
  for (const auto& [first, last] : ranges)
    if (code >= first && code <= last) return true;
  return false;
}

}  // namespace

void TextStreamer::put(const at::Tensor& ids) {
  if (ids.dim() > 1 ? ids.size(0) > 1 : ids.numel() > 1)
    throw ValueError(transformers::str("TextStreamer writes one sequence, found ids of shape ", ids.sizes(),
                                       "; generate a batch of one"));
  const bool is_prompt = std::exchange(is_prompt_, false);
  if (is_prompt && skip_prompt_) return;
  const auto row = ids.to(at::kCPU, at::kLong).contiguous();
  held_.insert(held_.end(), row.const_data_ptr<int64_t>(), row.const_data_ptr<int64_t>() + row.numel());
  const auto text = decode_(held_);
  if (text.ends_with('\n')) {
    give(text, text.size());
    held_.clear();
    given_ = 0;
  } else if (is_cjk(last_code_point(text))) {
    give(text, text.size());
  } else {
    const auto space = text.rfind(' ');
    give(text, space == std::string::npos ? 0 : space + 1);
  }
}

void TextStreamer::end() {
  if (!held_.empty()) {
    const auto text = decode_(held_);
    give(text, text.size());
  }
  held_.clear();
  given_ = 0;
  is_prompt_ = true;
}

void TextStreamer::give(std::string_view text, size_t end) {
  if (end <= given_ || given_ > text.size()) return;
  sink_(text.substr(given_, end - given_));
  given_ = end;
}

}  // namespace transformers
