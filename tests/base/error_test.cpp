#include "transformers/base/error.h"

#include <gtest/gtest.h>

#include <type_traits>

namespace transformers {
namespace {

template <class Derived, class... Bases>
constexpr bool derives_from = (std::is_base_of_v<Bases, Derived> && ...);

// C04: callers catch by kind, so the order of the kinds is part of the interface.
static_assert(derives_from<Error, std::runtime_error>);
static_assert(derives_from<ValueError, Error> && derives_from<TypeError, Error> && derives_from<KeyError, Error>);
static_assert(derives_from<AttributeError, Error> && derives_from<RuntimeError, Error>);
static_assert(derives_from<NotImplementedError, Error> && derives_from<ImportError, Error>);
static_assert(derives_from<OSError, Error> && std::is_same_v<EnvironmentError, OSError>);
static_assert(derives_from<FileNotFoundError, OSError> && derives_from<HubError, OSError>);
static_assert(derives_from<RepositoryNotFoundError, HubError>);
static_assert(derives_from<GatedRepoError, RepositoryNotFoundError>);
static_assert(derives_from<RevisionNotFoundError, HubError> && derives_from<EntryNotFoundError, HubError>);
static_assert(derives_from<LocalEntryNotFoundError, EntryNotFoundError> &&
              derives_from<OfflineModeIsEnabled, HubError>);
static_assert(!derives_from<ValueError, OSError> && !derives_from<RevisionNotFoundError, EntryNotFoundError>);

// C04
TEST(Errors, CarryTheirText) {
  try {
    throw GatedRepoError("org/model: ask for access");
  } catch (const OSError& error) {
    EXPECT_STREQ(error.what(), "org/model: ask for access");
  }
}

// C04
TEST(Errors, OfTheHubCarryTheStatusOnlyWhenAServerAnswered) {
  EXPECT_EQ(EntryNotFoundError("gone", 404).status, 404);
  EXPECT_FALSE(LocalEntryNotFoundError("not in the cache").status.has_value());
}

}  // namespace
}  // namespace transformers
