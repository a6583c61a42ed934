#pragma once

#include <c10/util/Exception.h>

#include <string_view>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"

namespace transformers {

/// Runs `work`; an exception of libtorch becomes a RuntimeError that begins with `what`. Every public method that calls
/// libtorch goes through here, so that users meet the errors of base/error.h only.
template <class Work>
auto without_torch_errors(std::string_view what, const Work& work) {
  try {
    return work();
  } catch (const c10::Error& error) {
    std::string_view text = error.what_without_backtrace();
    throw RuntimeError(str(what, ": ", text.substr(0, text.find('\n'))));
  }
}

}  // namespace transformers
