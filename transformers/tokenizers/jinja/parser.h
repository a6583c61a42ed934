#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "transformers/tokenizers/jinja/ast.h"
#include "transformers/tokenizers/jinja/lexer.h"

namespace transformers::jinja {

/// Recursive descent over the tokens, with Jinja's grammar. Nesting is bounded, so a hostile template cannot exhaust
/// the stack here, in the interpreter or when the tree is destroyed.
class Parser {
 public:
  explicit Parser(std::string_view source);
  Program run();

 private:
  using Names = std::initializer_list<std::string_view>;
  using StatementParser = StmtPtr (Parser::*)(int line);
  struct Keyword;
  struct Depth;
  struct Scope;
  static const Keyword kKeywords[];

  // tokens
  [[nodiscard]] const Token& current() const { return tokens_[at_]; }
  [[nodiscard]] const Token& look() const { return tokens_[at_ + 1 < tokens_.size() ? at_ + 1 : at_]; }
  const Token& next();
  [[nodiscard]] static bool is_operator(const Token& token, std::string_view text);
  [[nodiscard]] static bool is_name(const Token& token, std::string_view text);
  [[nodiscard]] bool at_operator(std::string_view text) const { return is_operator(current(), text); }
  [[nodiscard]] bool at_name(std::string_view text) const { return is_name(current(), text); }
  [[nodiscard]] bool at_any_name(Names names) const;
  bool skip_operator(std::string_view text);
  bool skip_name(std::string_view text);
  void expect_operator(std::string_view text);
  void expect_name(std::string_view text);
  std::string_view expect_any_name();
  void expect_type(TokenType type, std::string_view description);
  [[noreturn]] void fail_expected(std::string_view what) const;
  int intern(std::string_view name);

  // statements
  Body parse_body(Names ends);
  Body parse_block(Names ends);
  StmtPtr parse_statement(Names ends);
  StmtPtr parse_for(int line);
  StmtPtr parse_if(int line);
  StmtPtr parse_set(int line);
  StmtPtr parse_with(int line);
  StmtPtr parse_macro(int line);
  StmtPtr parse_call_block(int line);
  StmtPtr parse_filter_block(int line);
  StmtPtr parse_generation(int line);
  StmtPtr parse_print(int line);
  StmtPtr parse_break(int line);
  StmtPtr parse_continue(int line);
  StmtPtr parse_block_tag(int line);
  StmtPtr parse_unsupported(int line);
  StmtPtr loop_control(StmtKind kind, int line);
  void parse_signature(Stmt& macro);
  void parse_macro_body(Stmt& macro, std::string_view end);

  // expressions
  ExprPtr parse_assign_target(Names ends, bool with_namespace);
  void check_assignable(Expr& target) const;
  ExprPtr parse_expression(bool with_condition = true);
  ExprPtr parse_conditional();
  ExprPtr parse_or();
  ExprPtr parse_and();
  ExprPtr parse_not();
  ExprPtr parse_compare();
  bool parse_comparison(std::vector<Operator>& ops);
  ExprPtr parse_sum();
  ExprPtr parse_concat();
  ExprPtr parse_product();
  ExprPtr parse_power();
  ExprPtr parse_unary(bool with_filter = true);
  ExprPtr parse_primary(bool with_namespace = false);
  ExprPtr parse_name(bool with_namespace);
  ExprPtr parse_number();
  ExprPtr parse_string();
  ExprPtr parse_list();
  ExprPtr parse_dict();
  struct TupleOptions {
    bool simplified = false, with_condition = true, parenthesised = false, with_namespace = false;
    Names ends = {};
  };
  ExprPtr parse_tuple(const TupleOptions& options);
  ExprPtr parse_postfix(ExprPtr node);
  ExprPtr parse_filter_expr(ExprPtr node);
  ExprPtr parse_subscript(ExprPtr node);
  ExprPtr parse_subscribed();
  ExprPtr parse_call(ExprPtr node);
  std::unique_ptr<CallArguments> parse_arguments();
  void parse_argument(CallArguments& arguments);
  ExprPtr parse_filter(ExprPtr node, bool start_inline = false);
  ExprPtr parse_test(ExprPtr node);
  std::string parse_dotted_name();

  ExprPtr make(ExprKind kind, int line) const;
  ExprPtr constant(int line, Value value) const;
  void adopt(Expr& parent, ExprPtr child) const;
  void adopt(Expr& parent, std::unique_ptr<CallArguments> arguments) const;
  void deepen(Expr& parent, const Expr* child) const;
  ExprPtr binary(Operator op, int line, ExprPtr left, ExprPtr right) const;

  std::string source_;
  std::vector<Token> tokens_ = {};
  size_t at_ = 0;
  int nesting_ = 0;
  int loops_ = 0;                                          // open `for` tags, across macros too
  std::vector<std::pair<int, std::string>> unknown_ = {};  // filters and tests, by line, that cannot be deferred
  bool in_loop_ = false;                                   // `break` and `continue` may stand here
  bool is_soft_ = false;                                   // an unknown filter or test fails only when it is reached
  unsigned special_uses_ = 0;                              // bits of the SpecialName that were read
  std::vector<std::string> names_ = {};
  std::unordered_map<std::string, int> ids_ = {};
};

/// Restores the parser's scope-dependent state when a scope ends.
struct Parser::Scope {
  Scope(Parser& owner, bool loop, bool soft) : parser(owner), in_loop(owner.in_loop_), is_soft(owner.is_soft_) {
    parser.in_loop_ = loop;
    parser.is_soft_ = soft;
  }
  ~Scope() {
    parser.in_loop_ = in_loop;
    parser.is_soft_ = is_soft;
  }
  Scope(const Scope&) = delete;
  Parser& parser;
  bool in_loop, is_soft;
};

/// Counts nesting while it lives; throws ValueError when there is too much.
struct Parser::Depth {
  explicit Depth(Parser& owner);
  ~Depth() { --parser.nesting_; }
  Depth(const Depth&) = delete;
  Parser& parser;
};

}  // namespace transformers::jinja
