#include "apps/cli/command.h"

namespace transformers::cli {

extern const Command bench_command, chat_command, convert_command, device_map_command, download_command, embed_command,
    env_command, forward_command, generate_command, inspect_command, login_command, logout_command, quantize_command,
    tokenize_command, upload_command, whoami_command;

namespace {

constexpr const Command* kCommands[] = {
    &bench_command,    &chat_command,     &convert_command,  &device_map_command, &download_command, &embed_command,
    &env_command,      &forward_command,  &generate_command, &inspect_command,    &login_command,    &logout_command,
    &quantize_command, &tokenize_command, &upload_command,   &whoami_command,
};

// Known names that a later version will have.
constexpr std::string_view kLaterCommands[] = {"serve"};

}  // namespace

std::span<const Command* const> commands() { return kCommands; }
std::span<const std::string_view> later_commands() { return kLaterCommands; }

}  // namespace transformers::cli
