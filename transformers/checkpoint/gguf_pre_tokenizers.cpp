#include "transformers/checkpoint/gguf_pre_tokenizers.h"

namespace transformers {
namespace {

constexpr std::string_view kGpt4o =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen35 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kTekken =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

constexpr bool kDigits = true, kWritten = true;

constexpr GgufPreTokenizer kPreTokenizers[] = {
    {"bloom"},
    {"chameleon"},
    {"codeshell"},
    {"command-r", {}, kDigits},
    {"dbrx", kLlama3},
    {"deepseek-coder"},
    {"deepseek-llm"},
    {"deepseek-r1-qwen", kQwen2},
    {"deepseek-v3"},
    {"default"},
    {"exaone"},
    {"exaone4"},
    {"f2llmv2", kQwen2},
    {"falcon"},
    {"falcon-h1", kLlama3},
    {"falcon3", kLlama3},
    {"gigachat"},
    {"gpt-2", {}, !kDigits, kWritten},
    {"gpt-4o", kGpt4o, !kDigits, kWritten},
    {"gpt3-finnish"},
    {"jais"},
    {"jina-v5-nano", kLlama3},
    {"kanana2", kGpt4o},
    {"kormo", kQwen2},
    {"lfm2", kLlama3},
    {"llama-bpe", kLlama3, !kDigits, kWritten},
    {"llama-v3", kLlama3},
    {"llama3", kLlama3},
    {"llama4", kGpt4o},
    {"megrez", kQwen2},
    {"midm-2.0", kLlama3},
    {"minerva-7b"},
    {"minimax-m2", kGpt4o},
    {"mpt"},
    {"olmo"},
    {"phi-2"},
    {"pixtral", kLlama3},
    {"poro-chat"},
    {"qwen2", kQwen2, !kDigits, kWritten},
    {"qwen35", kQwen35, !kDigits, kWritten},
    {"refact", {}, kDigits},
    {"roberta-bpe"},
    {"smaug-bpe", kLlama3},
    {"smollm", {}, kDigits, kWritten},
    {"stablelm2"},
    {"starcoder", {}, kDigits},
    {"talkie", kGpt4o},
    {"tekken", kTekken, !kDigits, kWritten},
    {"trillion"},
    {"viking"},
};

}  // namespace

std::span<const GgufPreTokenizer> gguf_pre_tokenizers() { return kPreTokenizers; }

}  // namespace transformers
