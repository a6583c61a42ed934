#include "transformers/tokenizers/jinja/parser.h"

#include <algorithm>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"

namespace transformers::jinja {

constexpr int kMaxNesting = 200;

struct Parser::Keyword {
  std::string_view name;
  StatementParser parse;
};

constexpr Parser::Keyword Parser::kKeywords[] = {
    {"autoescape", &Parser::parse_unsupported},
    {"block", &Parser::parse_block_tag},
    {"break", &Parser::parse_break},
    {"call", &Parser::parse_call_block},
    {"continue", &Parser::parse_continue},
    {"extends", &Parser::parse_unsupported},
    {"filter", &Parser::parse_filter_block},
    {"for", &Parser::parse_for},
    {"from", &Parser::parse_unsupported},
    {"generation", &Parser::parse_generation},
    {"if", &Parser::parse_if},
    {"import", &Parser::parse_unsupported},
    {"include", &Parser::parse_unsupported},
    {"macro", &Parser::parse_macro},
    {"print", &Parser::parse_print},
    {"set", &Parser::parse_set},
    {"with", &Parser::parse_with},
};

Program parse(std::string_view source) { return Parser(source).run(); }

Parser::Parser(std::string_view source) : source_(normalize_newlines(source)), tokens_(tokenize(source_)) {
  for (const auto name : {"loop", "caller", "kwargs", "varargs"}) intern(name);
}

Program Parser::run() {
  Program program;
  program.body = parse_body({});
  if (!unknown_.empty()) fail_at(unknown_.front().first, unknown_.front().second);
  program.names = std::move(names_);
  program.hidden = hidden_names(program);
  return program;
}

Parser::Depth::Depth(Parser& owner) : parser(owner) {
  if (++parser.nesting_ > kMaxNesting) {
    --parser.nesting_;
    fail_at(parser.current().line, str("nested deeper than ", kMaxNesting, " levels"));
  }
}

const Token& Parser::next() {
  const Token& token = tokens_[at_];
  if (at_ + 1 < tokens_.size()) ++at_;
  return token;
}

bool Parser::is_operator(const Token& token, std::string_view text) {
  return token.type == TokenType::Operator && token.text == text;
}

bool Parser::is_name(const Token& token, std::string_view text) {
  return token.type == TokenType::Name && token.text == text;
}

bool Parser::at_any_name(Names names) const {
  return std::any_of(names.begin(), names.end(), [&](auto name) { return at_name(name); });
}

bool Parser::skip_operator(std::string_view text) { return at_operator(text) && (next(), true); }
bool Parser::skip_name(std::string_view text) { return at_name(text) && (next(), true); }

void Parser::expect_operator(std::string_view text) {
  if (!skip_operator(text)) fail_expected(str("'", text, "'"));
}

void Parser::expect_name(std::string_view text) {
  if (!skip_name(text)) fail_expected(str("'", text, "'"));
}

std::string_view Parser::expect_any_name() {
  expect_type(TokenType::Name, "a name");
  return tokens_[at_ - 1].text;
}

void Parser::expect_type(TokenType type, std::string_view description) {
  if (current().type != type) fail_expected(description);
  next();
}

void Parser::fail_expected(std::string_view what) const {
  const Token& token = current();
  std::string found = quote(token.text);
  if (token.type == TokenType::End) found = "the end of the template";
  if (token.type == TokenType::Data) found = "text";
  if (token.type == TokenType::BlockEnd) found = "the end of the tag";
  if (token.type == TokenType::VariableEnd) found = "the end of the expression";
  fail_at(token.line, str("expected ", what, ", found ", found));
}

int Parser::intern(std::string_view name) {
  const auto [it, fresh] = ids_.try_emplace(std::string(name), static_cast<int>(names_.size()));
  if (fresh) names_.emplace_back(name);
  return it->second;
}

static StmtPtr make_stmt(StmtKind kind, int line) {
  auto stmt = std::make_unique<Stmt>();
  stmt->kind = kind;
  stmt->line = line;
  return stmt;
}

// Statements up to a tag that starts with one of `ends`, whose name is then the current token; without ends, all.
Body Parser::parse_body(Names ends) {
  const Depth depth(*this);
  Body body;
  while (current().type != TokenType::End) {
    const int line = current().line;
    if (current().type == TokenType::Data) {
      body.push_back(make_stmt(StmtKind::Data, line));
      body.back()->text = next().text;
    } else if (current().type == TokenType::VariableBegin) {
      next();
      body.push_back(make_stmt(StmtKind::Output, line));
      body.back()->expr = parse_tuple({});
      expect_type(TokenType::VariableEnd, "'}}'");
    } else {
      expect_type(TokenType::BlockBegin, "a tag");
      if (at_any_name(ends)) return body;
      body.push_back(parse_statement(ends));
      expect_type(TokenType::BlockEnd, "'%}'");
    }
  }
  if (ends.size() > 0) fail_expected(str("{% ", *(ends.end() - 1), " %}"));
  return body;
}

// The rest of an opening tag, then its body.
Body Parser::parse_block(Names ends) {
  skip_operator(":");
  expect_type(TokenType::BlockEnd, "'%}'");
  return parse_body(ends);
}

StmtPtr Parser::parse_statement(Names ends) {
  if (current().type != TokenType::Name) fail_expected("the name of a tag");
  const Token& token = next();
  for (const auto& keyword : kKeywords)
    if (keyword.name == token.text) return (this->*keyword.parse)(token.line);
  fail_at(token.line, str("unknown tag ", quote(token.text),
                          ends.size() > 0 ? str(", expected {% ", *(ends.end() - 1), " %}") : std::string()));
}

// `for TARGET in EXPR if TEST recursive`: body, otherwise.
StmtPtr Parser::parse_for(int line) {
  auto stmt = make_stmt(StmtKind::For, line);
  ++loops_;
  stmt->target = parse_assign_target({"in"}, false);
  expect_name("in");
  stmt->expr = parse_tuple({.with_condition = false, .ends = {"recursive"}});
  if (skip_name("if")) stmt->test = parse_expression();
  stmt->is_recursive = skip_name("recursive");
  {
    const Scope scope(*this, true, false);
    stmt->body = parse_block({"else", "endfor"});
  }
  if (next().text == "else") {
    const Scope scope(*this, in_loop_, false);
    stmt->otherwise = parse_block({"endfor"});
    next();
  }
  --loops_;
  return stmt;
}

StmtPtr Parser::parse_if(int line) {
  auto stmt = make_stmt(StmtKind::If, line);
  const Scope scope(*this, in_loop_, true);
  while (true) {
    auto condition = parse_tuple({.with_condition = false});
    stmt->branches.emplace_back(std::move(condition), parse_block({"elif", "else", "endif"}));
    const auto tag = next().text;
    if (tag == "elif") continue;
    if (tag == "else") {
      stmt->branches.emplace_back(nullptr, parse_block({"endif"}));
      next();
    }
    return stmt;
  }
}

// `set TARGET = EXPR`, or `set TARGET | FILTERS`: body, with the filters in `expr`.
StmtPtr Parser::parse_set(int line) {
  auto stmt = make_stmt(StmtKind::Set, line);
  stmt->target = parse_assign_target({}, true);
  if (skip_operator("=")) {
    stmt->expr = parse_tuple({});
    return stmt;
  }
  stmt->kind = StmtKind::SetBlock;
  stmt->expr = parse_filter(make(ExprKind::Captured, line));
  const Scope scope(*this, in_loop_, false);
  stmt->body = parse_block({"endset"});
  next();
  return stmt;
}

StmtPtr Parser::parse_with(int line) {
  auto stmt = make_stmt(StmtKind::With, line);
  while (current().type != TokenType::BlockEnd) {
    if (!stmt->assignments.empty()) expect_operator(",");
    auto target = parse_assign_target({}, false);
    expect_operator("=");
    stmt->assignments.emplace_back(std::move(target), parse_expression());
  }
  const Scope scope(*this, in_loop_, false);
  stmt->body = parse_block({"endwith"});
  next();
  return stmt;
}

void Parser::parse_signature(Stmt& macro) {
  expect_operator("(");
  while (!at_operator(")")) {
    if (!macro.parameters.empty()) expect_operator(",");
    auto name = make(ExprKind::Name, current().line);
    name->name = expect_any_name();
    check_assignable(*name);
    MacroParameter parameter{.id = intern(name->name), .name = name->name};
    if (skip_operator("="))
      parameter.fallback = parse_expression();
    else if (!macro.parameters.empty() && macro.parameters.back().fallback)
      fail_at(current().line, str("expected a default for ", quote(name->name), ", as the parameter before has one"));
    macro.parameters.push_back(std::move(parameter));
  }
  expect_operator(")");
}

// A macro is a function of its own: no `break` out of it, and it knows which special names its body reads.
void Parser::parse_macro_body(Stmt& macro, std::string_view end) {
  const Scope scope(*this, false, false);
  const unsigned outer = std::exchange(special_uses_, 0U);
  macro.body = parse_block({end});
  next();
  const auto uses = [&](int id) {
    const bool is_parameter = std::any_of(macro.parameters.begin(), macro.parameters.end(),
                                          [&](const MacroParameter& parameter) { return parameter.id == id; });
    return (special_uses_ >> id & 1U) != 0 && !is_parameter;
  };
  for (const auto& parameter : macro.parameters)
    if (parameter.id == kCallerName && !parameter.fallback && (special_uses_ >> kCallerName & 1U) != 0)
      fail_at(macro.line, "expected a default for the parameter 'caller' of a macro");
  macro.uses_caller = uses(kCallerName);
  macro.uses_kwargs = uses(kKwargsName);
  macro.uses_varargs = uses(kVarargsName);
  special_uses_ |= outer;
}

StmtPtr Parser::parse_macro(int line) {
  auto stmt = make_stmt(StmtKind::Macro, line);
  auto name = make(ExprKind::Name, line);
  name->name = expect_any_name();
  check_assignable(*name);
  stmt->text = name->name;
  stmt->id = intern(stmt->text);
  parse_signature(*stmt);
  parse_macro_body(*stmt, "endmacro");
  return stmt;
}

// `call(PARAMETERS) EXPR`: the body becomes a macro, passed to the call in `expr` as `caller`.
StmtPtr Parser::parse_call_block(int line) {
  auto stmt = make_stmt(StmtKind::CallBlock, line);
  stmt->text = "caller";
  if (at_operator("(")) parse_signature(*stmt);
  stmt->expr = parse_expression();
  if (stmt->expr->kind != ExprKind::Call) fail_at(line, "expected a call of a macro behind 'call'");
  parse_macro_body(*stmt, "endcall");
  return stmt;
}

StmtPtr Parser::parse_filter_block(int line) {
  auto stmt = make_stmt(StmtKind::FilterBlock, line);
  stmt->expr = parse_filter(make(ExprKind::Captured, line), true);
  const Scope scope(*this, in_loop_, false);
  stmt->body = parse_block({"endfilter"});
  next();
  return stmt;
}

StmtPtr Parser::parse_generation(int line) {
  auto stmt = make_stmt(StmtKind::Scope, line);
  const Scope scope(*this, false, false);
  stmt->body = parse_block({"endgeneration"});
  next();
  return stmt;
}

StmtPtr Parser::parse_block_tag(int line) {
  auto stmt = make_stmt(StmtKind::Scope, line);
  const auto name = expect_any_name();
  skip_name("scoped");
  skip_name("required");
  const Scope scope(*this, false, false);
  stmt->body = parse_block({"endblock"});
  next();
  skip_name(name);
  return stmt;
}

StmtPtr Parser::parse_print(int line) {
  auto stmt = make_stmt(StmtKind::Scope, line);
  while (current().type != TokenType::BlockEnd) {
    if (!stmt->body.empty()) expect_operator(",");
    stmt->body.push_back(make_stmt(StmtKind::Output, line));
    stmt->body.back()->expr = parse_expression();
  }
  return stmt;
}

StmtPtr Parser::parse_break(int line) { return loop_control(StmtKind::Break, line); }
StmtPtr Parser::parse_continue(int line) { return loop_control(StmtKind::Continue, line); }

StmtPtr Parser::loop_control(StmtKind kind, int line) {
  if (!in_loop_) fail_at(line, "'break' and 'continue' may stand only inside a loop");
  return make_stmt(kind, line);
}

// A template stands alone: what would load another one is read to its end, and fails when it is reached.
StmtPtr Parser::parse_unsupported(int line) {
  auto stmt = make_stmt(StmtKind::Unsupported, line);
  stmt->text = tokens_[at_ - 1].text;
  if (stmt->text == "autoescape") fail_at(line, "the tag 'autoescape' is not supported: chat templates escape nothing");
  while (current().type != TokenType::BlockEnd && current().type != TokenType::End) next();
  return stmt;
}

}  // namespace transformers::jinja
