#pragma once

#include "transformers/hub/snapshot.h"
#include "transformers/pretrained/adapters.h"

namespace transformers::detail {

/// The adapter of a snapshot, attached to `model`; see PeftAdapterMixin::load_adapter.
LoadingInfo load_adapter_of(PreTrainedModel& model, const Snapshot& snapshot, const LoadAdapterOptions& options);

}  // namespace transformers::detail
