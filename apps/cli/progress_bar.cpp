#include "apps/cli/progress_bar.h"

#include <algorithm>
#include <chrono>
#include <memory>

#include "apps/cli/terminal.h"
#include "transformers/base/files.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"

namespace transformers::cli {

namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kPatience = std::chrono::milliseconds(300);  // shorter jobs need no bar
constexpr auto kRefresh = std::chrono::milliseconds(50);
constexpr const char* kClearLine = "\r\033[K";

// Draws what the library reports; it is called with the log's lock held, so one call at a time.
class Drawing {
 public:
  ~Drawing() { clear(); }

  void show(const logging::Progress& progress) {
    const auto now = Clock::now();
    if (progress.phase != phase_ || progress.done < done_) {
      clear();
      phase_ = progress.phase;
      started_ = now;
    }
    done_ = progress.done;
    if (progress.total <= 0 || progress.done >= progress.total) return finish();
    if (now - started_ < kPatience || (is_drawn_ && now - drawn_ < kRefresh)) return;
    draw(progress);
    drawn_ = now;
    is_drawn_ = true;
  }

 private:
  static void draw(const logging::Progress& progress) {
    constexpr size_t kCells = 30;
    const auto share = static_cast<double>(progress.done) / static_cast<double>(progress.total);
    std::string bar(static_cast<size_t>(kCells * std::clamp(share, 0.0, 1.0)), '#');
    bar.resize(kCells, '.');
    const auto amount = progress.unit == "B" ? str(human_bytes(progress.done), " of ", human_bytes(progress.total))
                                             : str(progress.done, "/", progress.total, " ", progress.unit);
    write_error(str(kClearLine, progress.phase, " [", bar, "] ", amount));
  }

  void clear() {
    if (is_drawn_) write_error(kClearLine);
    is_drawn_ = false;
  }

  void finish() {
    clear();
    phase_.clear();
  }

  std::string phase_ = {};
  int64_t done_ = 0;
  Clock::time_point started_ = {}, drawn_ = {};
  bool is_drawn_ = false;
};

}  // namespace

ProgressBar::ProgressBar(const Arguments& arguments, std::function<void()> meanwhile) {
  const bool is_shown =
      !arguments.has("quiet") && stderr_is_terminal() && !environment_flag("HF_HUB_DISABLE_PROGRESS_BARS");
  is_observed_ = is_shown || meanwhile;
  if (!is_observed_) return;
  const auto drawing = is_shown ? std::make_shared<Drawing>() : nullptr;
  logging::set_progress_observer([drawing, meanwhile = std::move(meanwhile)](const logging::Progress& progress) {
    if (meanwhile) meanwhile();
    if (drawing) drawing->show(progress);
  });
}

ProgressBar::~ProgressBar() {
  if (is_observed_) logging::set_progress_observer({});  // the drawing goes with it, and its line
}

}  // namespace transformers::cli
