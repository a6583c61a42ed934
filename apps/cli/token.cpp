#include <termios.h>
#include <unistd.h>

#include "apps/cli/options.h"
#include "apps/cli/terminal.h"
#include "transformers/base/files.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/hub/api.h"
#include "transformers/hub/environment.h"

// login, logout and whoami.
namespace transformers::cli {

namespace {

std::string name_of(const std::string& token) {
  hub::HttpClient client({.endpoint = hub::endpoint(),
                          .token = token,
                          .answer_timeout_s = hub::answer_timeout_s(),
                          .stall_timeout_s = hub::stall_timeout_s()});
  return hub::account_name(client);
}

// The terminal shows nothing of what is typed while this lives.
class NoEcho {
 public:
  NoEcho() : is_on_(stdin_is_terminal() && ::tcgetattr(STDIN_FILENO, &old_) == 0) {
    if (!is_on_) return;
    auto quiet = old_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
  }
  ~NoEcho() {
    if (!is_on_) return;
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &old_);
    write_error("\n");
  }
  NoEcho(const NoEcho&) = delete;
  NoEcho& operator=(const NoEcho&) = delete;

 private:
  termios old_ = {};
  bool is_on_;
};

std::string ask_for_token() {
  if (stdin_is_terminal()) write_error(str("Token (made at ", hub::endpoint(), "/settings/tokens): "));
  const NoEcho guard;
  std::string line;
  if (!read_line(line)) throw UsageError("no token on stdin, and none named by --token");
  if (trim(line).empty()) throw ValueError("the line read from stdin holds no token");
  return std::string(trim(line));
}

void warn_of_variables(std::string_view what) {
  if (!environment("HF_TOKEN").empty() || !environment("HUGGING_FACE_HUB_TOKEN").empty())
    logging::warning(str("HF_TOKEN or HUGGING_FACE_HUB_TOKEN is set and ", what));
}

int log_in(const Arguments& arguments) {
  const auto token = arguments.has("token") ? arguments.text("token") : ask_for_token();
  const auto chosen = hub::choose_token(token);
  if (!chosen) throw UsageError("the token is empty");
  const auto name = name_of(*chosen);
  hub::store_token(*chosen);
  write_out(str("logged in as ", name, "; the token is in ", hub::token_file(), "\n"));
  warn_of_variables("goes before the token that was stored");
  return 0;
}

int log_out(const Arguments&) {
  write_out(hub::forget_token() ? str("the token is gone from ", hub::token_file(), "\n") : "not logged in\n");
  warn_of_variables("still says who you are");
  return 0;
}

int who_am_i(const Arguments& arguments) {
  std::optional<TokenArg> asked;
  if (const auto token = arguments.find("token")) asked = *token;
  const auto token = hub::choose_token(asked);
  if (!token) throw OSError(str("not logged in: neither HF_TOKEN nor ", hub::token_file(), " holds a token"));
  const auto name = name_of(*token);
  write_out(arguments.has("json") ? Json(Json::Object{{"name", name}}).dump() + "\n" : name + "\n");
  return 0;
}

OptionGroup token_option(std::string help) {
  return {.title = "Token", .options = {{"token", ValueKind::Text, "TOKEN", std::move(help)}}};
}

}  // namespace

extern const Command login_command, logout_command, whoami_command;

constinit const Command login_command{
    .name = "login",
    .summary = "stores a token of the Hub, where the Python client looks too",
    .usage = "[--token TOKEN]",
    .details = "Without --token it is read from stdin. The Hub is asked whose it is before it is stored.",
    .options =
        [] {
          return std::vector{token_option("the token; other users of the machine may see it"), general_options(false)};
        },
    .run = log_in,
};

constinit const Command logout_command{
    .name = "logout",
    .summary = "removes the stored token",
    .options = [] { return std::vector{general_options(false)}; },
    .run = log_out,
};

constinit const Command whoami_command{
    .name = "whoami",
    .summary = "the name that the Hub knows the token by",
    .usage = "[--json]",
    .options =
        [] {
          return std::vector{token_option("instead of the stored one"), general_options(true)};
        },
    .run = who_am_i,
};

}  // namespace transformers::cli
