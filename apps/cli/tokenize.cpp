#include <unistd.h>

#include "apps/cli/options.h"
#include "apps/cli/terminal.h"
#include "transformers/base/files.h"
#include "transformers/base/strings.h"
#include "transformers/tokenizers/auto_tokenizer.h"

namespace transformers::cli {

namespace {

Json json_of(const PreTrainedTokenizer& tokenizer, const Encoding& encoding) {
  Json ids = Json::list(), tokens = Json::list(), offsets = Json::list();
  for (const auto id : encoding.ids) ids.push_back(id);
  for (const auto& token : encoding.tokens) tokens.push_back(token);
  for (const auto& [begin, end] : encoding.offsets) offsets.push_back(Json::Array{begin, end});
  return Json::Object{{"input_ids", std::move(ids)},
                      {"tokens", std::move(tokens)},
                      {"offsets", std::move(offsets)},
                      {"decoded", tokenizer.decode(encoding.ids)}};
}

std::string table_of(const Encoding& encoding) {
  std::string out;
  for (size_t i = 0; i < encoding.ids.size(); ++i) {
    auto head = str(encoding.ids[i]);
    head.insert(0, head.size() < 8 ? 8 - head.size() : 0, ' ');
    out += str(head, "  ", encoding.offsets[i].first, "-", encoding.offsets[i].second, "\t", encoding.tokens[i], "\n");
  }
  return out + "\n";
}

void tokenize_lines(const PreTrainedTokenizer& tokenizer, const Arguments& arguments) {
  const bool with_special = !arguments.has("no-special-tokens"), is_json = arguments.has("json");
  std::string line;
  for (int64_t number = 1; read_line(line); ++number) {
    if (!is_utf8(line)) throw ValueError(str("stdin: line ", number, " is not UTF-8"));
    const auto encoding = tokenizer.backend()->encode(line, with_special);
    write_out(is_json ? json_of(tokenizer, encoding).dump() + "\n" : table_of(encoding));
    if (stdout_is_terminal() || stdin_is_terminal()) flush_out();
  }
}

Json parse_list(const std::string& file, std::string_view key) {
  auto json = Json::parse_file(file, int64_t{64} << 20);
  if (auto* inner = json.find(key)) json = Json(*inner);
  if (!json.is_array()) throw ValueError(str(file, ": is a JSON ", json.type_name(), ", expected a list of ", key));
  return json;
}

void tokenize_chat(const PreTrainedTokenizer& tokenizer, const Arguments& arguments) {
  PreTrainedTokenizer::ChatOptions options{.add_generation_prompt = arguments.has("add-generation-prompt")};
  if (const auto file = arguments.find("tools")) options.tools = parse_list(*file, "tools");
  const auto text = tokenizer.apply_chat_template(parse_list(arguments.text("chat"), "messages"), options);
  Json ids = Json::list();
  for (const auto id : tokenizer.encode(text, false)) ids.push_back(id);  // the template wrote the special tokens
  write_out(Json(Json::Object{{"text", text}, {"input_ids", std::move(ids)}}).dump() + "\n");
}

int run(const Arguments& arguments) {
  if (!arguments.has("chat"))
    for (const auto* option : {"tools", "add-generation-prompt"})
      if (arguments.has(option)) throw UsageError(str("--", option, " belongs to --chat"));
  if (arguments.has("chat") && arguments.has("no-special-tokens"))
    throw UsageError("--no-special-tokens belongs to stdin: a chat template writes the special tokens itself");
  const auto tokenizer = AutoTokenizer::from_pretrained(tokenizer_path(arguments));
  arguments.has("chat") ? tokenize_chat(*tokenizer, arguments) : tokenize_lines(*tokenizer, arguments);
  return 0;
}

std::vector<OptionGroup> options() {
  return {{.title = "Text",
           .options = {{"no-special-tokens", ValueKind::None, "", "leave out what the tokenizer adds to every text"},
                       {"chat", ValueKind::Text, "FILE",
                        "instead of stdin: a JSON list of messages, rendered by the chat template"},
                       {"tools", ValueKind::Text, "FILE", "a JSON list of tools for the template"},
                       {"add-generation-prompt", ValueKind::None, "", "end with the start of the reply"}}},
          hub_options(),
          general_options(true)};
}

}  // namespace

extern const Command tokenize_command;
constinit const Command tokenize_command{
    .name = "tokenize",
    .summary = "ids, tokens and offsets for each line of stdin",
    .usage = "MODEL [--json] < TEXT",
    .details =
        "With --json each line of stdin gives a line {\"input_ids\", \"tokens\", \"offsets\", \"decoded\"}; offsets "
        "count Unicode code points of the line. With --chat it prints {\"text\", \"input_ids\"}.",
    .least_positional = 1,
    .most_positional = 1,
    .options = options,
    .run = run,
};

}  // namespace transformers::cli
