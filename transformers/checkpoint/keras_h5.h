#pragma once

#include "transformers/checkpoint/checkpoint.h"

namespace transformers {

/// Keras 2's `.h5` as TF 2 models are saved: whole files, shards, `model.save` with its `model_weights`, and the files
/// of Keras 1. An entry is called as `weight_names` calls it, which for TF models is the variable's full name,
/// `tf_bert_model/bert/encoder/layer_._0/attention/self/query/kernel:0`; in a shard of its own, without an index, it
/// lacks the first part. A weight that several layers list with the same bytes is one entry; where the bytes differ,
/// each is called `<layer>/<weight>`. Weights without a list of names are called by their path in the file. Metadata:
/// `backend`, `keras_version`, and `layers`, an object of the layers with the weights that each lists. Nothing else of
/// the file is looked at, no configuration least.
extern const CheckpointFormat keras_format;

/// Writes one file that TF 2 reads with `load_weights` and transformers 4 with `from_pretrained`. A weight belongs to
/// the layer that the second part of its name says, the first where there are but two (`dense/kernel:0`); unless
/// `layers` in `metadata`, an object like the reader's, lists it; one that several layers list is written once and
/// linked, which the reference needs to find none missing (T5's `shared`, BERT's embeddings in `mlm___cls`). A file
/// called `…-00001-of-00002.h5` is written as a shard. Atomic. Throws ValueError for a name that is both a weight and a
/// group, bfloat16 and other dtypes that HDF5 has no form for, bytes of the wrong size.
void write_keras_h5(const std::filesystem::path& file, std::span<const CheckpointWriteEntry> entries,
                    const Json& metadata = Json::object());

}  // namespace transformers
