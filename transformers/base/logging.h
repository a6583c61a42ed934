#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace transformers::logging {

enum class Level { Debug, Info, Warning, Error };

struct Record {
  Level level = Level::Info;
  std::string text = {};
  std::string category = {};  // "FutureWarning" for deprecations, "advisory" for advice, else empty
};

/// Records below the level are dropped. Default: Warning, or what TRANSFORMERS_VERBOSITY says (debug, info, warning,
/// error, critical, detail).
void set_verbosity(Level level);
[[nodiscard]] Level get_verbosity();

void debug(std::string_view text);
void info(std::string_view text);
void warning(std::string_view text, std::string_view category = {});
void error(std::string_view text);
/// Shown once per process and text.
void warning_once(std::string_view text, std::string_view category = {});
/// A warning of category FutureWarning, once per text.
void deprecated(std::string_view text);

/// Where records go; the default writes `warning: text` lines to stderr. An empty function restores the default.
/// Thread-safe; the sink is called with a lock held and must not log.
using Sink = std::function<void(const Record&)>;
void set_sink(Sink sink);

/// Collects every record, whatever the verbosity, while it lives, instead of passing it on. For tests; nests.
class Capture {
 public:
  Capture();
  ~Capture();
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;
  [[nodiscard]] std::vector<Record> records() const;
  /// True when a record of at least `level` contains `text`.
  [[nodiscard]] bool contains(std::string_view text, Level level = Level::Debug) const;
  /// Forgets which once-only warnings were shown.
  static void reset_once();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Progress of a long job, `done` out of `total` in units of `unit`. The library only reports; who shows it is the
/// observer's business. Default observer: none. Thread-safe: calls come from any thread, one at a time. An observer may
/// log; it must not report progress nor set another observer.
struct Progress {
  std::string_view phase = {};
  int64_t done = 0, total = 0;
  std::string_view unit = {};
};
using ProgressObserver = std::function<void(const Progress&)>;
void set_progress_observer(ProgressObserver observer);
void report_progress(const Progress& progress);

}  // namespace transformers::logging
