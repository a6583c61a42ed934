#include "transformers/base/logging.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>

namespace transformers::logging {
namespace {

using ::testing::ElementsAre;
using ::testing::Field;

// Puts the verbosity and the sink back, whatever a test does.
class Logging : public ::testing::Test {
 protected:
  void TearDown() override {
    set_verbosity(Level::Warning);
    set_sink({});
    set_progress_observer({});
    Capture::reset_once();
    ::unsetenv("TRANSFORMERS_NO_ADVISORY_WARNINGS");
  }

  // Texts that reach the sink while `job` runs.
  template <class Job>
  std::vector<std::string> texts(const Job& job) {
    std::vector<std::string> out;
    set_sink([&](const Record& record) { out.push_back(record.text); });
    job();
    set_sink({});
    return out;
  }
};

void log_every_level() {
  debug("d");
  info("i");
  warning("w");
  error("e");
}

// C05
TEST_F(Logging, DropsWhatIsBelowTheVerbosity) {
  EXPECT_EQ(get_verbosity(), Level::Warning);
  EXPECT_THAT(texts(log_every_level), ElementsAre("w", "e"));
  set_verbosity(Level::Debug);
  EXPECT_EQ(get_verbosity(), Level::Debug);
  EXPECT_THAT(texts(log_every_level), ElementsAre("d", "i", "w", "e"));
  set_verbosity(Level::Error);
  EXPECT_THAT(texts(log_every_level), ElementsAre("e"));
}

// C05
TEST_F(Logging, OnceOnlyWarningsAreKeyedByTheirText) {
  const auto twice = [] {
    warning_once("first");
    warning_once("first");
    warning_once("second");
  };
  EXPECT_THAT(texts(twice), ElementsAre("first", "second"));
  EXPECT_THAT(texts(twice), ElementsAre());
  Capture::reset_once();
  EXPECT_THAT(texts(twice), ElementsAre("first", "second"));
}

// C05
TEST_F(Logging, AWarningThatNobodySawIsStillShownOnce) {
  const auto once = [] { warning_once("once"); };
  set_verbosity(Level::Error);
  EXPECT_THAT(texts(once), ElementsAre());
  set_verbosity(Level::Warning);
  EXPECT_THAT(texts(once), ElementsAre("once"));
  EXPECT_THAT(texts(once), ElementsAre());
}

// C05
TEST_F(Logging, DeprecationsAreFutureWarningsShownOnce) {
  Capture capture;
  deprecated("old spelling");
  deprecated("old spelling");
  EXPECT_THAT(capture.records(), ElementsAre(::testing::AllOf(Field(&Record::level, Level::Warning),
                                                              Field(&Record::category, "FutureWarning"))));
}

// C05
TEST_F(Logging, AdvisoryWarningsCanBeMuted) {
  const auto advise = [] {
    warning("advice", "advisory");
    warning("fault");
  };
  EXPECT_THAT(texts(advise), ElementsAre("advice", "fault"));
  ::setenv("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1", 1);
  EXPECT_THAT(texts(advise), ElementsAre("fault"));
}

// C05
TEST_F(Logging, CaptureTakesEveryLevelAndNests) {
  const auto passed_on = texts([] {
    Capture outer;
    debug("outer");
    {
      Capture inner;
      log_every_level();
      EXPECT_EQ(inner.records().size(), 4u);
      EXPECT_TRUE(inner.contains("d"));
      EXPECT_FALSE(inner.contains("d", Level::Info));
    }
    info("outer again");
    EXPECT_EQ(outer.records().size(), 2u);
    EXPECT_FALSE(outer.contains("w"));
  });
  EXPECT_THAT(passed_on, ElementsAre());
}

// C05
TEST_F(Logging, TheDefaultSinkWritesLinesToStderr) {
  ::testing::internal::CaptureStderr();
  warning("look out");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "warning: look out\n");
}

TEST_F(Logging, ThreadsLoseNoRecord) {
  Capture capture;
  const auto many = [] {
    for (int i = 0; i < 200; ++i) debug("x");
  };
  std::thread a(many), b(many);
  a.join();
  b.join();
  EXPECT_EQ(capture.records().size(), 400u);
}

TEST_F(Logging, ProgressReachesTheObserver) {
  report_progress({.phase = "nobody listens", .done = 1, .total = 2, .unit = "bytes"});
  std::vector<int64_t> seen;
  set_progress_observer([&](const Progress& progress) { seen.push_back(progress.done); });
  report_progress({.phase = "loading", .done = 1, .total = 2, .unit = "bytes"});
  report_progress({.phase = "loading", .done = 2, .total = 2, .unit = "bytes"});
  EXPECT_THAT(seen, ElementsAre(1, 2));
}

// C05: read once at start, so each value needs a process of its own.
struct Verbosity {
  const char* value;
  Level level;
};
class LoggingVerbosity : public ::testing::TestWithParam<Verbosity> {};

TEST_P(LoggingVerbosity, ComesFromTheEnvironment) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  const auto start = [] {
    ::setenv("TRANSFORMERS_VERBOSITY", GetParam().value, 1);
    std::exit(get_verbosity() == GetParam().level ? 0 : 1);
  };
  EXPECT_EXIT(start(), ::testing::ExitedWithCode(0), "");
}

INSTANTIATE_TEST_SUITE_P(Values, LoggingVerbosity,
                         ::testing::Values(Verbosity{"debug", Level::Debug}, Verbosity{"detail", Level::Debug},
                                           Verbosity{"INFO", Level::Info}, Verbosity{"warning", Level::Warning},
                                           Verbosity{"error", Level::Error}, Verbosity{"critical", Level::Error},
                                           Verbosity{"loud", Level::Warning}));

}  // namespace
}  // namespace transformers::logging
