#include "apps/cli/parser.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "transformers/base/strings.h"

namespace transformers::cli {

namespace {

std::vector<std::string> command_names() {
  std::vector<std::string> names;
  for (const auto* command : commands()) names.emplace_back(command->name);
  return names;
}

std::string help_hint(const Command& command) { return str(kProgram, " ", command.name, " --help"); }

std::string did_you_mean(std::string_view name, std::span<const std::string> candidates, std::string_view dashes) {
  auto near = nearest(name, candidates);
  for (auto& one : near) one.insert(0, dashes);
  return near.empty() ? std::string() : str("; did you mean ", join(near, ", "), "?");
}

const Option* find_option(const std::vector<OptionGroup>& groups, std::string_view name) {
  for (const auto& group : groups)
    for (const auto& option : group.options)
      if (option.name == name) return &option;
  return nullptr;
}

[[noreturn]] void throw_unknown_option(const Command& command, const std::vector<OptionGroup>& groups,
                                       std::string_view name) {
  std::vector<std::string> names;
  for (const auto& group : groups)
    for (const auto& option : group.options) names.push_back(option.name);
  throw UsageError(str("unknown option ", quote(str("--", name)), did_you_mean(name, names, "--")), help_hint(command));
}

bool is_whole_integer(const std::string& text, int64_t& value) {
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  return result.ec == std::errc() && result.ptr == text.data() + text.size() && !text.empty();
}

bool is_number(const std::string& text, double& value) {
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  return result.ec == std::errc() && result.ptr == text.data() + text.size() && !text.empty();
}

std::string problem_with_integer(const Option& option, const std::string& value) {
  int64_t integer = 0;
  if (!is_whole_integer(value, integer)) return "expected an integer";
  const auto number = static_cast<double>(integer);
  if (option.limit && number > option.limit->most)
    return str("expected at most ", static_cast<int64_t>(option.limit->most));
  if (option.limit && !option.limit->takes(number)) return str("expected ", option.limit->expected);
  if (integer >= option.least && integer <= option.most) return {};
  const bool has_most = option.most < std::numeric_limits<int64_t>::max();
  return has_most ? str("expected ", option.least, " to ", option.most) : str("expected at least ", option.least);
}

std::string problem_with_number(const Option& option, const std::string& value) {
  double number = 0;
  if (!is_number(value, number) || !std::isfinite(number)) return "expected a number";
  return option.limit && !option.limit->takes(number) ? str("expected ", option.limit->expected) : std::string();
}

// A name that could lead out of the folder that it is looked up in.
bool leads_away(const std::string& name) {
  return name.starts_with('/') || name.find("..") != std::string::npos || name.find('\\') != std::string::npos;
}

// What is wrong with a value, or nothing.
std::string problem_with(const Option& option, const std::string& value) {
  switch (option.kind) {
    case ValueKind::Text:
    case ValueKind::Json: return value.empty() ? "expected some text" : "";
    case ValueKind::Name:
      if (value.empty()) return "expected a name";
      return leads_away(value) ? "expected a name without '..' that does not begin with '/'" : "";
    case ValueKind::Integer: return problem_with_integer(option, value);
    case ValueKind::Number: return problem_with_number(option, value);
    case ValueKind::Boolean: return value == "true" || value == "false" ? "" : "expected true or false";
    case ValueKind::Choice:
      if (std::find(option.choices.begin(), option.choices.end(), value) != option.choices.end()) return {};
      return str("expected one of ", join(option.choices, ", "));
    default: return {};
  }
}

class Parser {
 public:
  Parser(const Command& command, std::span<const std::string> words)
      : command_(command), words_(words), groups_(command.options()) {}

  Arguments parse() {
    bool options_end = false;
    while (next_ < words_.size()) {
      const auto& word = words_[next_++];
      if (word == "--" && !options_end)
        options_end = true;
      else if (word == "-h" && !options_end)
        arguments_.set("help", "");
      else if (word.starts_with("--") && !options_end)
        take_option(word.substr(2));
      else if (word.size() > 1 && word.front() == '-' && !options_end)
        throw UsageError(str("unknown option ", quote(word), "; options begin with two dashes"), help_hint(command_));
      else
        arguments_.positional.push_back(word);
    }
    if (!arguments_.has("help")) check_positional();
    return std::move(arguments_);
  }

 private:
  void take_option(const std::string& word) {
    const auto equals = word.find('=');
    const auto name = word.substr(0, equals);
    const auto* option = find_option(groups_, name);
    if (!option) throw_unknown_option(command_, groups_, name);
    if (arguments_.has(name) && name != "help")
      throw UsageError(str("--", name, " is given twice; give it once"), help_hint(command_));
    if (option->kind == ValueKind::None) {
      if (equals != std::string::npos) throw UsageError(str("--", name, " takes no value"), help_hint(command_));
      return arguments_.set(name, "");
    }
    const auto value = equals == std::string::npos ? next_value(*option) : word.substr(equals + 1);
    if (const auto problem = problem_with(*option, value); !problem.empty())
      throw UsageError(str("--", name, " is ", quote(value), ", ", problem), help_hint(command_));
    arguments_.set(name, value);
  }

  // The word after an option, unless that is plainly the next option.
  std::string next_value(const Option& option) {
    const bool is_there = next_ < words_.size();
    auto next = is_there ? words_[next_] : std::string();
    if (!is_there || (next.starts_with("--") && find_option(groups_, next.substr(2, next.find('=') - 2))))
      throw UsageError(str("--", option.name, " needs a value: --", option.name, " ", option.placeholder),
                       help_hint(command_));
    ++next_;
    return next;
  }

  void check_positional() const {
    const auto& given = arguments_.positional;
    if (given.size() < command_.least_positional)
      throw UsageError(str("an argument is missing: ", kProgram, " ", command_.name, " ", command_.usage),
                       help_hint(command_));
    if (given.size() > command_.most_positional)
      throw UsageError(str("unexpected argument ", quote(given[command_.most_positional])), help_hint(command_));
    if (std::find(given.begin(), given.end(), "") != given.end())
      throw UsageError(str("an argument is empty: ", kProgram, " ", command_.name, " ", command_.usage),
                       help_hint(command_));
  }

  const Command& command_;
  std::span<const std::string> words_;
  std::vector<OptionGroup> groups_;
  Arguments arguments_;
  size_t next_ = 0;
};

}  // namespace

const Command& find_command(const std::string& name) {
  for (const auto* command : commands())
    if (command->name == name) return *command;
  const auto names = command_names();
  const auto list = str("the commands are ", join(names, ", "));
  const auto later = later_commands();
  if (std::find(later.begin(), later.end(), name) != later.end())
    throw UsageError(str("the command ", quote(name), " is not part of this version"), list);
  throw UsageError(str("unknown command ", quote(name), did_you_mean(name, names, "")), list);
}

Arguments parse_arguments(const Command& command, std::span<const std::string> words) {
  return Parser(command, words).parse();
}

}  // namespace transformers::cli
