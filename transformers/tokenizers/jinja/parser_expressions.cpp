#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/tokenizers/jinja/builtins.h"
#include "transformers/tokenizers/jinja/parser.h"
#include "transformers/tokenizers/jinja/unicode.h"

namespace transformers::jinja {

constexpr int kMaxDepth = 250;  // of a tree of expressions, left-leaning chains included

ExprPtr Parser::make(ExprKind kind, int line) const {
  auto expr = std::make_unique<Expr>();
  expr->kind = kind;
  expr->line = line;
  return expr;
}

ExprPtr Parser::constant(int line, Value value) const {
  auto expr = make(ExprKind::Const, line);
  expr->value = std::move(value);
  return expr;
}

void Parser::deepen(Expr& parent, const Expr* child) const {
  if (!child) return;
  parent.depth = std::max(parent.depth, static_cast<uint16_t>(child->depth + 1));
  if (parent.depth > kMaxDepth) fail_at(parent.line, str("an expression of more than ", kMaxDepth, " chained parts"));
}

void Parser::adopt(Expr& parent, ExprPtr child) const {
  deepen(parent, child.get());
  parent.items.push_back(std::move(child));
}

void Parser::adopt(Expr& parent, std::unique_ptr<CallArguments> arguments) const {
  for (const auto& argument : arguments->positional) deepen(parent, argument.get());
  for (const auto& [name, argument] : arguments->keyword) deepen(parent, argument.get());
  deepen(parent, arguments->star.get());
  deepen(parent, arguments->double_star.get());
  parent.arguments = std::move(arguments);
}

ExprPtr Parser::binary(Operator op, int line, ExprPtr left, ExprPtr right) const {
  auto expr = make(ExprKind::Binary, line);
  expr->op = op;
  adopt(*expr, std::move(left));
  adopt(*expr, std::move(right));
  return expr;
}

void Parser::check_assignable(Expr& target) const {
  constexpr std::string_view kConstants[] = {"true", "false", "none", "True", "False", "None"};
  const bool is_constant = std::find(std::begin(kConstants), std::end(kConstants), target.name) != std::end(kConstants);
  if (target.kind == ExprKind::Tuple) {
    for (auto& item : target.items) check_assignable(*item);
  } else if (target.kind != ExprKind::NamespaceRef && (target.kind != ExprKind::Name || is_constant)) {
    fail_at(target.line, "expected a name to assign to, found another expression");
  } else if (target.id == kLoopName && loops_ > 0) {
    fail_at(target.line, "'loop' belongs to the loop and cannot be assigned to inside one");
  }
}

ExprPtr Parser::parse_assign_target(Names ends, bool with_namespace) {
  const unsigned uses = special_uses_;
  auto target = parse_tuple({.simplified = true, .with_namespace = with_namespace, .ends = ends});
  special_uses_ = uses;
  check_assignable(*target);
  return target;
}

ExprPtr Parser::parse_expression(bool with_condition) {
  const Depth depth(*this);
  return with_condition ? parse_conditional() : parse_or();
}

ExprPtr Parser::parse_conditional() {
  int line = current().line;
  const size_t known = unknown_.size();
  auto expr = parse_or();
  while (skip_name("if")) {
    unknown_.resize(known);  // what stands in a conditional expression may never be reached
    const Scope scope(*this, in_loop_, true);
    auto node = make(ExprKind::Conditional, line);
    adopt(*node, parse_or());
    adopt(*node, std::move(expr));
    const Depth depth(*this);
    if (skip_name("else")) adopt(*node, parse_conditional());
    expr = std::move(node);
    line = current().line;
  }
  return expr;
}

ExprPtr Parser::parse_or() {
  auto left = parse_and();
  while (at_name("or")) {
    auto node = make(ExprKind::Or, next().line);
    adopt(*node, std::move(left));
    adopt(*node, parse_and());
    left = std::move(node);
  }
  return left;
}

ExprPtr Parser::parse_and() {
  auto left = parse_not();
  while (at_name("and")) {
    auto node = make(ExprKind::And, next().line);
    adopt(*node, std::move(left));
    adopt(*node, parse_not());
    left = std::move(node);
  }
  return left;
}

ExprPtr Parser::parse_not() {
  if (!at_name("not")) return parse_compare();
  const Depth depth(*this);
  auto node = make(ExprKind::Not, next().line);
  adopt(*node, parse_not());
  return node;
}

bool Parser::parse_comparison(std::vector<Operator>& ops) {
  constexpr std::pair<std::string_view, Operator> kSymbols[] = {{"==", Operator::Eq}, {"!=", Operator::Ne},
                                                                {"<", Operator::Lt},  {"<=", Operator::Le},
                                                                {">", Operator::Gt},  {">=", Operator::Ge}};
  for (const auto& [symbol, op] : kSymbols)
    if (skip_operator(symbol)) return ops.push_back(op), true;
  if (skip_name("in")) return ops.push_back(Operator::In), true;
  if (!at_name("not") || !is_name(look(), "in")) return false;
  next();
  next();
  ops.push_back(Operator::NotIn);
  return true;
}

ExprPtr Parser::parse_compare() {
  const int line = current().line;
  auto first = parse_sum();
  std::vector<Operator> ops;
  ExprPtr node;
  while (parse_comparison(ops)) {
    if (!node) {
      node = make(ExprKind::Compare, line);
      adopt(*node, std::move(first));
    }
    adopt(*node, parse_sum());
  }
  if (!node) return first;
  node->comparisons = std::move(ops);
  return node;
}

ExprPtr Parser::parse_sum() {
  auto left = parse_concat();
  while (at_operator("+") || at_operator("-")) {
    const Token& token = next();
    left = binary(token.text == "+" ? Operator::Add : Operator::Sub, token.line, std::move(left), parse_concat());
  }
  return left;
}

ExprPtr Parser::parse_concat() {
  auto first = parse_product();
  if (!at_operator("~")) return first;
  auto node = make(ExprKind::Concat, current().line);
  adopt(*node, std::move(first));
  while (skip_operator("~")) adopt(*node, parse_product());
  return node;
}

ExprPtr Parser::parse_product() {
  constexpr std::pair<std::string_view, Operator> kSymbols[] = {
      {"*", Operator::Mul}, {"/", Operator::Div}, {"//", Operator::FloorDiv}, {"%", Operator::Mod}};
  auto left = parse_power();
  while (true) {
    const auto* symbol =
        std::find_if(std::begin(kSymbols), std::end(kSymbols), [&](const auto& row) { return at_operator(row.first); });
    if (symbol == std::end(kSymbols)) return left;
    const int line = next().line;
    left = binary(symbol->second, line, std::move(left), parse_power());
  }
}

ExprPtr Parser::parse_power() {
  auto left = parse_unary();
  while (at_operator("**")) {
    const int line = next().line;
    left = binary(Operator::Pow, line, std::move(left), parse_unary());
  }
  return left;
}

ExprPtr Parser::parse_unary(bool with_filter) {
  ExprPtr node;
  if (at_operator("-") || at_operator("+")) {
    const Depth depth(*this);
    const Token& token = next();
    node = make(token.text == "-" ? ExprKind::Negative : ExprKind::Positive, token.line);
    adopt(*node, parse_unary(false));
  } else {
    node = parse_primary();
  }
  node = parse_postfix(std::move(node));
  return with_filter ? parse_filter_expr(std::move(node)) : std::move(node);
}

ExprPtr Parser::parse_primary(bool with_namespace) {
  const Depth depth(*this);
  switch (current().type) {
    case TokenType::Name: return parse_name(with_namespace);
    case TokenType::String: return parse_string();
    case TokenType::Integer:
    case TokenType::Float: return parse_number();
    default: break;
  }
  if (at_operator("[")) return parse_list();
  if (at_operator("{")) return parse_dict();
  if (!skip_operator("(")) fail_expected("an expression");
  auto node = parse_tuple({.parenthesised = true});
  expect_operator(")");
  return node;
}

ExprPtr Parser::parse_name(bool with_namespace) {
  const Token& token = next();
  if (token.text == "true" || token.text == "True") return constant(token.line, Value(true));
  if (token.text == "false" || token.text == "False") return constant(token.line, Value(false));
  if (token.text == "none" || token.text == "None") return constant(token.line, Value::none());
  auto node = make(ExprKind::Name, token.line);
  node->id = intern(token.text);
  if (node->id <= kVarargsName) special_uses_ |= 1U << node->id;
  if (with_namespace && skip_operator(".")) {
    node->kind = ExprKind::NamespaceRef;
    node->name = expect_any_name();
  } else {
    node->name = token.text;
  }
  return node;
}

ExprPtr Parser::parse_number() {
  const Token& token = next();
  std::string digits(token.text);
  std::erase(digits, '_');
  if (token.type == TokenType::Float) return constant(token.line, Value(std::strtod(digits.c_str(), nullptr)));
  const char mark = digits.size() > 2 ? static_cast<char>(digits[1] | 0x20) : '0';
  const int base = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 10;
  int64_t value = 0;
  const char* begin = digits.data() + (base == 10 ? 0 : 2);
  if (std::from_chars(begin, digits.data() + digits.size(), value, base).ec != std::errc())
    fail_at(token.line, str("the integer ", quote(digits, 24), " does not fit into 64 bits"));
  return constant(token.line, Value(value));
}

ExprPtr Parser::parse_string() {
  const int line = current().line;
  auto text = std::make_shared<Text>();
  while (current().type == TokenType::String) text->bytes += unescape(next());
  text->points = count_points(text->bytes);
  return constant(line, Value(std::shared_ptr<const Text>(std::move(text))));
}

ExprPtr Parser::parse_list() {
  auto node = make(ExprKind::List, next().line);
  while (!at_operator("]")) {
    if (!node->items.empty()) expect_operator(",");
    if (at_operator("]")) break;
    adopt(*node, parse_expression());
  }
  expect_operator("]");
  return node;
}

ExprPtr Parser::parse_dict() {
  auto node = make(ExprKind::Dict, next().line);
  while (!at_operator("}")) {
    if (!node->items.empty()) expect_operator(",");
    if (at_operator("}")) break;
    adopt(*node, parse_expression());
    expect_operator(":");
    adopt(*node, parse_expression());
  }
  expect_operator("}");
  return node;
}

ExprPtr Parser::parse_tuple(const TupleOptions& options) {
  const int line = current().line;
  std::vector<ExprPtr> items;
  bool is_tuple = false;
  while (true) {
    if (!items.empty()) expect_operator(",");
    const auto type = current().type;
    if (type == TokenType::VariableEnd || type == TokenType::BlockEnd || at_operator(")") || at_any_name(options.ends))
      break;
    items.push_back(options.simplified ? parse_primary(options.with_namespace)
                                       : parse_expression(options.with_condition));
    if (!at_operator(",")) break;
    is_tuple = true;
  }
  if (!is_tuple && !items.empty()) return std::move(items.front());
  if (!is_tuple && !options.parenthesised) fail_expected("an expression");
  auto node = make(ExprKind::Tuple, line);
  for (auto& item : items) adopt(*node, std::move(item));
  return node;
}

}  // namespace transformers::jinja
