// What every command promises: help, exit codes, one-line errors.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "program.h"
#include "transformers/base/json.h"

namespace transformers::cli_tests {

namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr double kMostSecondsOfAnError = 30.0;  // one that hangs, or computes first, takes longer on any machine

constexpr const char* kCommands[] = {"bench",    "chat",     "convert",  "device-map", "download", "embed",
                                     "env",      "forward",  "generate", "inspect",    "login",    "logout",
                                     "quantize", "tokenize", "upload",   "whoami"};

// One line "error: …", at most one line "hint: …", nothing else, and soon.
void expect_error(const Run& run, int exit_code, const std::string& part) {
  EXPECT_EQ(run.exit_code, exit_code) << run.err;
  EXPECT_EQ(run.out, "");
  const auto lines = lines_of(run.err);
  ASSERT_FALSE(lines.empty());
  EXPECT_THAT(lines[0], StartsWith("error: "));
  EXPECT_THAT(run.err, HasSubstr(part));
  EXPECT_LE(lines.size(), 2u) << run.err;
  if (lines.size() == 2) {
    EXPECT_THAT(lines[1], StartsWith("hint: "));
  }
  EXPECT_LT(run.seconds, kMostSecondsOfAnError);
}

}  // namespace

TEST(Program, HelpNamesEveryCommandAndNoOther) {
  const auto run = run_program({"--help"});
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_EQ(run.err, "");
  for (const auto* command : kCommands) EXPECT_THAT(run.out, HasSubstr(std::string("\n  ") + command));
  EXPECT_THAT(run.out, Not(HasSubstr("\n  serve")));
}

// What answers at once does not load libtorch.
TEST(Program, LooksAtFilesWithoutLibtorch) {
  const auto loads = [](std::vector<std::string> words) {
    words.insert(words.begin(), {"env", "LD_DEBUG=files", TRANSFORMERS_PROGRAM});
    const auto run = run_command(words, "a line\n");
    EXPECT_THAT(run.err, HasSubstr("libtransformers_files")) << "the loader tells what it loads";
    return run.err.find("libtorch") != std::string::npos;
  };
  const auto model = test_data("llama/models/LlamaForCausalLM").string();
  EXPECT_FALSE(loads({"--help"}));
  EXPECT_FALSE(loads({"env"}));
  EXPECT_FALSE(loads({"generate", "--help"}));
  EXPECT_FALSE(loads({"inspect", model, "--verify"}));
  EXPECT_FALSE(loads({"tokenize", test_data("tokenizers/bert-plain.json")}));
  EXPECT_TRUE(loads({"device-map", model}));
}

TEST(Program, EveryCommandHasHelp) {
  for (const auto* command : kCommands) {
    const auto run = run_program({command, "--help"});
    EXPECT_EQ(run.exit_code, 0) << command;
    EXPECT_THAT(run.out, HasSubstr(std::string("Usage: transformers-cpp ") + command));
    EXPECT_THAT(run.out, HasSubstr("--quiet"));
  }
}

TEST(Program, HelpOfGenerateListsTheGenerationFields) {
  const auto run = run_program({"generate", "--help"});
  for (const auto* option : {"--max-new-tokens", "--num-beams", "--do-sample", "--top-p", "--repetition-penalty",
                             "--no-repeat-ngram-size", "--eos-token-id", "--seed", "--assistant-model"})
    EXPECT_THAT(run.out, HasSubstr(std::string("  ") + option + " "));
}

TEST(Program, LinksNothingOfLibtorch) {
  const auto run = run_command({"ldd", TRANSFORMERS_PROGRAM});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("libtransformers_files"));
  for (const auto* library : {"libtorch", "libc10", "libtransformers.so"})
    EXPECT_THAT(run.out, Not(HasSubstr(library)));
}

TEST(Program, WrongCommandLinesExitWithTwo) {
  const struct {
    std::vector<std::string> words;
    std::string part;
  } cases[] = {
      {{}, "no command"},
      {{"--verbose"}, "--verbose"},
      {{"tokenise"}, "did you mean tokenize?"},
      {{"tokenize"}, "missing"},
      {{"tokenize", "a", "b"}, "unexpected argument 'b'"},
      {{"tokenize", "a", "--jsn"}, "did you mean --json?"},
      {{"tokenize", "a", "-j"}, "two dashes"},
      {{"tokenize", "a", "--json=yes"}, "takes no value"},
      {{"tokenize", "a", "--tools"}, "needs a value"},
      {{"tokenize", "a", "--tools", "b"}, "belongs to --chat"},
      {{"generate", "a", "--prompt", "x", "--do-sample", "maybe"}, "expected true or false"},
      {{"generate", "a", "--prompt", "x", "--top-k", "1.5"}, "expected an integer"},
      {{"generate", "a", "--prompt", "x", "--top-p", "much"}, "expected a number"},
      {{"generate", "a", "--prompt", "x", "--dtype", "float8"}, "auto, float32, bfloat16, float16"},
      {{"generate", "a", "--prompt", "x", "--threads", "0"}, "--threads is '0', expected 1 to "},
      {{"generate", "a", "--prompt", "x", "--threads", "1000000000"}, "expected 1 to "},
      {{"generate", "a", "--prompt", "x", "--prompt", "y"}, "--prompt is given twice"},
      {{"tokenize", "a", "--json", "--json"}, "--json is given twice"},
      {{"generate", "a", "--prompt", "x", "--class", ""}, "--class is '', expected some text"},
      {{"generate", "a", "--prompt", "x", "--variant="}, "--variant is '', expected a name"},
      {{"inspect", "a", "--revision", "../x"}, "without '..'"},
      {{"inspect", "a", "--subfolder", "/etc"}, "does not begin with '/'"},
      {{"embed", "a", "--batch-size", "99999999999"}, "expected 1 to 65536"},
      {{"forward", "a", "--inputs", "b", "--outputs", ""}, "--outputs is ''"},
      {{"generate", "a", "--prompt", "x", "--device-map", "gpu"}, "--device-map: "},
      {{"generate", "a", "--prompt", "x", "--device-map", "-1"}, "--device-map: "},
      {{"generate", "a", "--prompt", "x", "--max-memory", "gpu=1GB"}, "--max-memory: "},
      {{"generate", "a", "--prompt", "x", "--max-memory", "cpu=1GB"}, "give --device-map auto"},
      {{"device-map", "a", "--max-memory", "cpu=1GB,cpu=2GB"}, "names cpu twice"},
      {{"embed", ""}, "an argument is empty"},
      {{"bench", "a", "--prompt-tokens", "99999999999"}, "--prompt-tokens is '99999999999', expected 1 to "},
  };
  for (const auto& c : cases) expect_error(run_program(c.words), 2, c.part);
}

TEST(Program, ImpossibleGenerationValuesExitWithTwo) {
  const std::pair<std::string, std::vector<std::string>> cases[] = {
      {"max-new-tokens", {"-1", "0", "a", "1.5", "99999999999999999999"}},
      {"max-length", {"-1", "0"}},
      {"max-time", {"-1", "nan"}},
      {"temperature", {"-1", "0", "nan", "inf", "1e400"}},
      {"top-k", {"-1", "1.5"}},
      {"top-p", {"2", "-1", "nan"}},
      {"min-p", {"2", "-0.5"}},
      {"typical-p", {"0", "2"}},
      {"epsilon-cutoff", {"1"}},
      {"repetition-penalty", {"0", "-1", "nan"}},
      {"no-repeat-ngram-size", {"-1"}},
      {"num-beams", {"0", "-1"}},
      {"num-return-sequences", {"0", "1e9", "99999999999"}},
      {"max-cache-len", {"0", "1000000000000"}},
  };
  for (const auto& [option, values] : cases)
    for (const auto& value : values)
      for (const auto* command : {"generate", "chat"})
        expect_error(run_program({command, "a", "--" + option, value}), 2,
                     "--" + option + " is '" + value + "', expected");
}

TEST(Program, ErrorsAreOneSafeLine) {
  for (const auto* name : {"/no/\x1b[31mred\x1b[0m",
                           "/no/\xc2\x9b"
                           "31m",
                           "/no/\xff\xfe", "/no/a\nb\rc", "/no/\xe2\x80\xaetxt"}) {
    const auto run = run_program({"inspect", name});
    EXPECT_EQ(run.exit_code, 1);
    EXPECT_EQ(lines_of(run.err).size(), 1u) << run.err;
    for (const auto* unsafe : {"\x1b", "\xc2\x9b", "\xff", "\r", "\xe2\x80\xae"})
      EXPECT_THAT(run.err, Not(HasSubstr(unsafe)));
  }
  const auto run = run_program({"inspect", "/no/" + std::string(5000, 'x')});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_LT(run.err.size(), 1100u);
  EXPECT_THAT(run.err, HasSubstr(" … "));
}

TEST(Program, NeverShowsAToken) {  // H07
  const auto run =
      run_program({"inspect", "org/name", "--local-files-only", "--token", "hf_abc", "--cache-dir", "/no/such/cache"});
  expect_error(run, 1, "/no/such/cache");
  EXPECT_THAT(run.err, Not(HasSubstr("hf_abc")));
}

TEST(Program, CommandsOfLaterVersionsSaySo) {
  const auto run = run_program({"serve", "somewhere"});
  expect_error(run, 2, "the command 'serve' is not part of this version");
  EXPECT_THAT(
      run.err,
      HasSubstr("bench, chat, convert, device-map, download, embed, env, forward, generate, inspect, login, logout, "
                "quantize, tokenize, upload, whoami"));
}

TEST(Program, MissingModelsExitWithOne) {
  const TemporaryFolder empty;
  for (const auto* command : {"inspect", "tokenize"}) {
    expect_error(run_program({command, "/no/such/model"}), 1, "/no/such/model");
    expect_error(run_program({command, "nobody/nothing"}), 1, "nobody/nothing");
    expect_error(run_program({command, empty.path()}), 1, empty.path());
  }
}

TEST(Program, EndsQuietlyWhenNobodyReads) {
  const auto run =
      run_command({"sh", "-c", std::string("'") + TRANSFORMERS_PROGRAM + "' generate --help | head -1; true"});
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_EQ(run.err, "");
}

TEST(Env, TellsVersionsAndMasksTokens) {
  setenv("HF_TOKEN", "hf_abcdefghijklmnop", 1);
  const auto run = run_program({"env", "--json"});
  unsetenv("HF_TOKEN");
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const auto report = Json::parse(run.out);
  for (const auto* key :
       {"transformers_cpp", "reference", "libtorch", "cpu_features", "kernels", "threads", "hub_cache"})
    EXPECT_TRUE(report.contains(key)) << key;
  EXPECT_EQ(report.at("reference"), Json("5.23.0"));
  EXPECT_THAT(run.out, Not(HasSubstr("abcdefghij")));
  EXPECT_EQ(report.at("environment").at("HF_TOKEN"), Json("set"));
}

}  // namespace transformers::cli_tests
