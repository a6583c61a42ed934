#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "transformers/generation/generate.h"

namespace transformers {

/// Turns tokens into text as soon as whole words stand: text is held back after the last space, except after a line end
/// or a CJK character. One sequence only. Reference: TextStreamer.
class TextStreamer final : public BaseStreamer {
 public:
  using Decode = std::function<std::string(std::span<const int64_t> ids)>;  // text of ids, UTF-8
  using Sink = std::function<void(std::string_view text)>;
  TextStreamer(Decode decode, Sink sink, bool skip_prompt = false)
      : decode_(std::move(decode)), sink_(std::move(sink)), skip_prompt_(skip_prompt) {}

  void put(const at::Tensor& ids) override;
  /// Gives out what is held back.
  void end() override;

 private:
  void give(std::string_view text, size_t end);

  Decode decode_;
  Sink sink_;
  bool skip_prompt_, is_prompt_ = true;
  std::vector<int64_t> held_ = {};  // ids whose text may still change
  size_t given_ = 0;                // bytes of their text that are out
};

}  // namespace transformers
