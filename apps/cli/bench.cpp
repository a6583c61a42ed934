#include "apps/cli/module.h"
#include "apps/cli/options.h"

namespace transformers::cli {

namespace {

constexpr int64_t kMostWork = 1 << 24;  // keeps their sums and products inside int64_t's range

std::vector<OptionGroup> options() {
  return {
      {.title = "Work",
       .options =
           {{"prompt-tokens", ValueKind::Integer, "N", "of the prefill (default 512)", {}, 1, kMostWork},
            {"decode-tokens", ValueKind::Integer, "N", "made one by one (default 64)", {}, 1, kMostWork},
            {"context", ValueKind::Integer, "N", "tokens in the cache before the prompt (default 0)", {}, 0, kMostWork},
            {"batch", ValueKind::Integer, "N", "sequences at a time (default 1)", {}, 1, kMostWork},
            {"length", ValueKind::Integer, "N", "tokens of a sequence of an encoder (default 128)", {}, 1, kMostWork},
            {"repeat",
             ValueKind::Integer,
             "N",
             "every figure is the median of so many (default 5)",
             {},
             1,
             kMostWork}}},
      loading_options(),
      hub_options(),
      general_options(true)};
}

}  // namespace

extern const Command bench_command;
constinit const Command bench_command{
    .name = "bench",
    .summary = "time to load, prefill and decode speed, peak memory",
    .usage = "MODEL [--json]",
    .details =
        "Random token ids from a fixed seed. A generative model gives load_s, first_token_s (from the start of the "
        "program through loading and the prompt to the first token), prefill_tok_s, decode_tok_s; an encoder load_s, "
        "sequences_s, tokens_s at --batch × --length; both peak_rss_bytes, threads, kernels, dtype, class.",
    .least_positional = 1,
    .most_positional = 1,
    .options = options,
    .run = [](const Arguments& arguments) { return run_in_module("bench", arguments); },
};

}  // namespace transformers::cli
