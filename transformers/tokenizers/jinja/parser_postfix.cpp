#include <algorithm>

#include "transformers/base/strings.h"
#include "transformers/tokenizers/jinja/builtins.h"
#include "transformers/tokenizers/jinja/parser.h"

namespace transformers::jinja {

ExprPtr Parser::parse_postfix(ExprPtr node) {
  while (true) {
    if (at_operator(".") || at_operator("["))
      node = parse_subscript(std::move(node));
    else if (at_operator("("))
      node = parse_call(std::move(node));
    else
      return node;
  }
}

ExprPtr Parser::parse_filter_expr(ExprPtr node) {
  while (true) {
    if (at_operator("|"))
      node = parse_filter(std::move(node));
    else if (at_name("is"))
      node = parse_test(std::move(node));
    else if (at_operator("("))
      node = parse_call(std::move(node));
    else
      return node;
  }
}

ExprPtr Parser::parse_subscript(ExprPtr node) {
  const Token& token = next();
  if (token.text == ".") {
    if (current().type == TokenType::Name) {
      auto attribute = make(ExprKind::Attribute, token.line);
      attribute->name = next().text;
      adopt(*attribute, std::move(node));
      return attribute;
    }
    if (current().type != TokenType::Integer) fail_expected("a name or a number behind '.'");
    auto item = make(ExprKind::Item, token.line);
    adopt(*item, std::move(node));
    adopt(*item, parse_number());
    return item;
  }
  auto item = make(ExprKind::Item, token.line);
  adopt(*item, std::move(node));
  std::vector<ExprPtr> parts;
  while (!at_operator("]")) {
    if (!parts.empty()) expect_operator(",");
    parts.push_back(parse_subscribed());
  }
  expect_operator("]");
  if (parts.size() == 1) {
    adopt(*item, std::move(parts.front()));
    return item;
  }
  auto tuple = make(ExprKind::Tuple, token.line);
  for (auto& part : parts) adopt(*tuple, std::move(part));
  adopt(*item, std::move(tuple));
  return item;
}

// An index, or a slice with three parts of which any may be absent.
ExprPtr Parser::parse_subscribed() {
  auto slice = make(ExprKind::Slice, current().line);
  ExprPtr first;
  if (!at_operator(":")) {
    first = parse_expression();
    if (!at_operator(":")) return first;
  }
  next();
  adopt(*slice, std::move(first));
  const auto part = [&] {
    const bool absent = at_operator(":") || at_operator("]") || at_operator(",");
    adopt(*slice, absent ? ExprPtr() : parse_expression());
  };
  part();
  if (skip_operator(":"))
    part();
  else
    adopt(*slice, ExprPtr());
  return slice;
}

ExprPtr Parser::parse_call(ExprPtr node) {
  auto call = make(ExprKind::Call, current().line);
  adopt(*call, std::move(node));
  adopt(*call, parse_arguments());
  return call;
}

std::unique_ptr<CallArguments> Parser::parse_arguments() {
  expect_operator("(");
  auto arguments = std::make_unique<CallArguments>();
  bool first = true;
  while (!at_operator(")")) {
    if (!first) expect_operator(",");
    if (!first && at_operator(")")) break;
    parse_argument(*arguments);
    first = false;
  }
  expect_operator(")");
  return arguments;
}

void Parser::parse_argument(CallArguments& arguments) {
  const int line = current().line;
  const auto check = [&](bool in_order) {
    if (!in_order) fail_at(line, "expected positional arguments first, then keyword arguments");
  };
  if (skip_operator("*")) {
    check(!arguments.star && !arguments.double_star);
    arguments.star = parse_expression();
  } else if (skip_operator("**")) {
    check(!arguments.double_star);
    arguments.double_star = parse_expression();
  } else if (current().type == TokenType::Name && is_operator(look(), "=")) {
    check(!arguments.double_star);
    std::string name(next().text);
    next();
    for (const auto& keyword : arguments.keyword)
      if (keyword.first == name) fail_at(line, str("the keyword argument ", quote(name), " is given twice"));
    if (arguments.keyword.size() >= 255) fail_at(line, "more than 255 keyword arguments in one call");
    arguments.keyword.emplace_back(std::move(name), parse_expression());
  } else {
    check(!arguments.star && !arguments.double_star && arguments.keyword.empty());
    arguments.positional.push_back(parse_expression());
  }
}

std::string Parser::parse_dotted_name() {
  std::string name(expect_any_name());
  while (skip_operator(".")) (name += '.') += expect_any_name();
  return name;
}

ExprPtr Parser::parse_filter(ExprPtr node, bool start_inline) {
  while (at_operator("|") || start_inline) {
    if (!start_inline) next();
    start_inline = false;
    auto filter = make(ExprKind::Filter, current().line);
    filter->name = parse_dotted_name();
    if (!is_soft_ && !find_filter(filter->name)) unknown_.emplace_back(filter->line, unknown_filter(filter->name));
    adopt(*filter, std::move(node));
    adopt(*filter, at_operator("(") ? parse_arguments() : std::make_unique<CallArguments>());
    node = std::move(filter);
  }
  return node;
}

ExprPtr Parser::parse_test(ExprPtr node) {
  auto test = make(ExprKind::Test, next().line);
  const bool negated = skip_name("not");
  test->name = parse_dotted_name();
  if (!is_soft_ && !find_test(test->name)) unknown_.emplace_back(test->line, unknown_test(test->name));
  adopt(*test, std::move(node));
  auto arguments = std::make_unique<CallArguments>();
  const auto type = current().type;
  const bool starts_value = type == TokenType::Name || type == TokenType::String || type == TokenType::Integer ||
                            type == TokenType::Float || at_operator("[") || at_operator("{");
  if (at_operator("(")) {
    arguments = parse_arguments();
  } else if (starts_value && !at_any_name({"else", "or", "and"})) {
    if (at_name("is")) fail_at(test->line, "tests with 'is' do not chain: put parentheses around the first");
    arguments->positional.push_back(parse_postfix(parse_primary()));
  }
  adopt(*test, std::move(arguments));
  if (!negated) return test;
  auto inverse = make(ExprKind::Not, test->line);
  adopt(*inverse, std::move(test));
  return inverse;
}

}  // namespace transformers::jinja
