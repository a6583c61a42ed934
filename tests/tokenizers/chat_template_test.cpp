#include "transformers/tokenizers/chat_template.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "transformers/base/error.h"
#include "transformers/base/json.h"
#include "transformers/checkpoint/gguf.h"

namespace transformers {
namespace {

const Json& goldens() {
  static const Json json = Json::parse_file(TRANSFORMERS_TEST_DATA "/chat_templates/goldens.json");
  return json;
}

// The rendered text, or null when the template throws; `error` receives the message.
Json render(std::string_view source, const Json& variables, std::string* error = nullptr) {
  try {
    return Json(ChatTemplate(source).render(variables));
  } catch (const ValueError& failure) {
    if (error) *error = failure.what();
    return {};
  }
}

std::string message_of(std::string_view source) {
  std::string error;
  EXPECT_TRUE(render(source, Json::object(), &error).is_null()) << source.substr(0, 200);
  return error;
}

#ifdef __SANITIZE_ADDRESS__
constexpr double kMostSeconds = 20;
#else
constexpr double kMostSeconds = 1;
#endif

// Processor time, as other programs may keep the machine busy.
void expect_quick_failure(const std::string& source) {
  const std::clock_t start = std::clock();
  message_of(source);
  EXPECT_LT(static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC, kMostSeconds) << source.substr(0, 200);
}

std::string repeated(std::string_view text, size_t times) {
  std::string out;
  for (size_t i = 0; i < times; ++i) out += text;
  return out;
}

TEST(ChatTemplate, RendersEveryFamilyAsTheReference) {
  const auto& conversations = goldens().at("conversations").as_array();
  for (const auto& [name, family] : goldens().at("families").as_object()) {
    const auto& expected = family.at("expected").as_array();
    ASSERT_EQ(expected.size(), conversations.size());
    for (size_t i = 0; i < conversations.size(); ++i) {
      std::string error;
      EXPECT_EQ(render(family.at("template").as_string(), conversations[i], &error).dump(), expected[i].dump())
          << name << ", conversation " << i << ": " << error;
    }
  }
}

TEST(ChatTemplate, RendersEverySnippetAsTheReferenceOrThrowsWhereItRaises) {
  const auto& snippets = goldens().at("snippets").as_array();
  ASSERT_GT(snippets.size(), 600U);
  for (const auto& snippet : snippets) {
    std::string error;
    const auto& source = snippet.as_array()[0].as_string();
    EXPECT_EQ(render(source, goldens().at("variables"), &error).dump(), snippet.as_array()[1].dump()) << source << "\n"
                                                                                                      << error;
  }
}

// Lines of tests/tools/fuzz_templates.py.
TEST(ChatTemplate, RendersTheCasesOfAFileAsTheReference) {
  const char* file = std::getenv("TRANSFORMERS_TEMPLATE_CASES");
  if (!file) GTEST_SKIP() << "TRANSFORMERS_TEMPLATE_CASES names no file";
  std::ifstream lines(file);
  int64_t cases = 0;
  for (std::string line; std::getline(lines, line); ++cases) {
    const Json entry = Json::parse(line);
    std::string error;
    const auto& source = entry.at("template").as_string();
    EXPECT_EQ(render(source, goldens().at("variables"), &error).dump(), entry.at("expected").dump()) << source << "\n"
                                                                                                     << error;
  }
  EXPECT_GT(cases, 0);
}

// The template inside a real model, which is read where it lies and not part of the repository.
TEST(ChatTemplate, RendersTheTemplateOfARealModel) {
  const char* folder = std::getenv("TRANSFORMERS_REAL_MODELS");
  if (!folder) GTEST_SKIP() << "TRANSFORMERS_REAL_MODELS names no folder";
  std::filesystem::path model;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    if (entry.path().extension() == ".gguf" && entry.path().native().find("smollm2") != std::string::npos)
      model = entry.path();
  if (model.empty()) GTEST_SKIP() << "no SmolLM2 below " << folder;
  const Json metadata = read_gguf_metadata(model);
  const ChatTemplate compiled(metadata.at("tokenizer.chat_template").as_string());
  const auto& conversations = goldens().at("conversations").as_array();
  const auto& expected = goldens().at("smollm2").as_array();
  ASSERT_EQ(expected.size(), conversations.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    Json rendered;
    try {
      rendered = Json(compiled.render(conversations[i]));
    } catch (const ValueError&) {
    }
    EXPECT_EQ(rendered.dump(), expected[i].dump()) << "conversation " << i;
  }
}

TEST(ChatTemplate, GivesTheTemplatesOwnMessage) {
  EXPECT_EQ(message_of("a\n{{ raise_exception('Roles must ' ~ 'alternate') }}"), "Roles must alternate");
}

TEST(ChatTemplate, NamesLineAndExpectation) {
  EXPECT_EQ(message_of("a\nb\n{{ missing.x }}"), "chat template, line 3: 'missing' is undefined");
  EXPECT_EQ(message_of("a\n{% if x %}"), "chat template, line 2: expected {% endif %}, found the end of the template");
  EXPECT_NE(message_of("\n{{ x|uper }}").find("line 2: unknown filter 'uper', known are upper"), std::string::npos);
  EXPECT_NE(message_of("{% set ns = [] %}\n{{ ns.append(1) }}").find("line 2: 'append'"), std::string::npos);
}

TEST(ChatTemplate, RefusesIntegersBeyond64Bits) {
  for (const auto* source :
       {"{{ 9223372036854775808 }}", "{{ 9223372036854775807 + 1 }}", "{{ 2 ** 64 }}", "{{ -9223372036854775807 - 2 }}",
        "{{ (-9223372036854775807 - 1) // -1 }}", "{{ '9223372036854775808'|int }}", "{{ 1e300|int }}"})
    EXPECT_NE(message_of(source).find("64 bits"), std::string::npos) << source;
}

TEST(ChatTemplate, KnowsTheTime) {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  const std::string year = ChatTemplate("{{ strftime_now('%Y') }}").render(Json::object());
  EXPECT_NEAR(std::stoi(year), local.tm_year + 1900, 1);
}

TEST(ChatTemplate, StopsTemplatesThatWorkTooMuch) {
  for (const auto* source :
       {"{{ 'a' * 1000000000 }}", "{{ 'a'|center(1000000000) }}", "{{ '%1000000000d' % 1 }}", "{{ range(10**9) }}",
        "{{ '{:1000000000}'.format(1) }}", "{{ [1] * 10**12 }}", "{{ 'x'.ljust(10**12) }}",
        "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
        "{% set ns = namespace(s='aaaaaaaaaa') %}{% for a in range(100) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% macro m() %}{% filter upper %}{{ m() ~ m() }}{% endfilter %}{% endmacro %}{{ m() }}",
        "{% set ns = namespace(l=[]) %}{% for a in range(100000) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l }}",
        "{% set ns = namespace() %}{% set ns.me = ns %}{{ ns }}{% set ns.a = [ns] %}{{ ns.a == [ns.a] }}",
        "{% set ns = namespace(g=[1]) %}{% for a in range(100000) %}{% set ns.g = ns.g|map('upper') %}{% endfor %}"
        "{{ ns.g|list }}",
        "{% set a = 'a' * 1000000 %}{% for i in range(100000) %}{{ a.rfind('ab' ~ a) }}{{ a|replace('a', 'b')|length }}"
        "{% endfor %}",
        "{% for x in [[[1]]] recursive %}{{ loop([x]) }}{% endfor %}"})
    expect_quick_failure(source);
}

TEST(ChatTemplate, StopsDeepAndLongTemplates) {
  constexpr size_t kMany = 150'000;
  for (const auto* part : {"(", "[", "{", "-", "not ", "a.", "a|", "a(", "a[", "1+", "1 if ", "a and ", "x ** ", "~"})
    expect_quick_failure("{{ " + repeated(part, kMany) + "1 }}");
  expect_quick_failure("{{ 1" + repeated("|abs", kMany) + " }}");
  expect_quick_failure("{{ a" + repeated(".b", kMany) + " }}");
  expect_quick_failure("{{ 1" + repeated("+1", kMany) + " }}");
  expect_quick_failure(repeated("{% if x %}", 100'000));
  expect_quick_failure(repeated("{% for x in y %}", 60'000));
  expect_quick_failure(repeated("{#", 500'000));
  expect_quick_failure(repeated("{% raw %}", 100'000));
  EXPECT_EQ(ChatTemplate(repeated("{{ a }}b", 100'000)).render(Json::object()), repeated("b", 100'000));
  EXPECT_EQ(ChatTemplate("{{ {" + repeated("1:2,", 100'000) + "}|length }}").render(Json::object()), "1");
}

// The growth of each is stopped by the one budget of all values, not by steps or by the size of one text.
TEST(ChatTemplate, AllValuesShareOneBudgetOfMemory) {
  for (const auto* source :
       {"{% set ns = namespace(x=[1]) %}{% for i in range(40) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
        "{% set ns = namespace(x=[]) %}{% for i in range(100) %}{% set ns.x = ns.x + [range(100000)|list] %}{% endfor "
        "%}",
        "{% set x = [1] * 3000000 %}",
        "{% set ns = namespace(x=[]) %}{% for i in range(90) %}{% set ns.x = ns.x + ['a' * 1000000 ~ i] %}{% endfor %}",
        "{% set ns = namespace(x=[]) %}{% set l = range(50000)|list %}{% for i in range(1000) %}"
        "{% set ns.x = [ns.x, l|reverse] %}{{ (l|reverse)|first }}{% endfor %}",
        "{% set ns = namespace(x=()) %}{% for i in range(99999) %}{% for j in range(9) %}"
        "{% set ns.x = {1: ns.x, 2: j, 3: j} %}{% endfor %}{% endfor %}"})
    EXPECT_NE(message_of(source).find("larger values"), std::string::npos) << source << "\n" << message_of(source);
}

TEST(ChatTemplate, MemoryOfTextsThatAreGoneIsFree) {
  EXPECT_EQ(ChatTemplate("{% for i in range(150) %}{% set x = 'a' * 1000000 %}{% endfor %}done").render(Json::object()),
            "done");
  Json variables;
  variables["text"] = std::string(10'000'000, 'a');
  EXPECT_EQ(ChatTemplate("{% set a = text|upper %}{% set b = a|lower %}{{ (a ~ 'x')|length }}").render(variables),
            "10000001");
}

TEST(ChatTemplate, WhatIsNotClosedIsNamedWithItsLine) {
  for (const auto* open :
       {"{{", "{%", "{#", "{{ a", "{% if a", "{# a", "{{ 'a", "{% raw %}a", "{{ (", "{{-", "{%-", "{#-"})
    EXPECT_TRUE(message_of(std::string("a\nb\n") + open).starts_with("chat template, line 3: ")) << open;
}

TEST(ChatTemplate, TheTemplatesOwnMessageIsCut) {
  const std::string message = message_of("{{ raise_exception('aé' * 100000) }}");
  EXPECT_LT(message.size(), 1024U);
  EXPECT_TRUE(message.ends_with("…"));
  EXPECT_TRUE(message.starts_with("aéaé"));
}

TEST(ChatTemplate, RefusesWhatIsNoText) {
  EXPECT_THROW(ChatTemplate("\xff"), ValueError);
  EXPECT_THROW(ChatTemplate(std::string(size_t{5} << 20, 'a')), ValueError);
}

TEST(ChatTemplate, RendersTheSameTwice) {
  const ChatTemplate compiled("{% set ns = namespace(n=0) %}{% set ns.n = ns.n + 1 %}{{ ns.n }}{{ x }}");
  const Json variables = Json::parse(R"({"x": [1, "a"]})");
  EXPECT_EQ(compiled.render(variables), "1[1, 'a']");
  EXPECT_EQ(compiled.render(variables), "1[1, 'a']");
}

}  // namespace
}  // namespace transformers
