"""Writes tests/data/formats/tf_bundle: checkpoints made by TensorFlow and what they must read as.

Needs tensorflow 2.21.0, transformers 4.53.3 and torch. Run from the repository root.

Every folder holds `model.ckpt.index`, its data files and `expected.safetensors`: each variable under its TensorFlow name.
`bert`, `albert` and `t5` hold besides, for the mapping of names: `config.json`, `twin.safetensors` (the PyTorch model
into which the reference's load_tf_weights put the checkpoint) and `key_map.json` (PyTorch key -> TensorFlow name, and
whether the matrix is transposed; found by comparing values, so that it states what the reference really did).
"""

import json
import os
import pathlib
import shutil
import struct

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import numpy as np
import tensorflow as tf
import torch
import transformers
from safetensors.torch import save_file
from transformers.models.albert.modeling_albert import load_tf_weights_in_albert
from transformers.models.bert.modeling_bert import load_tf_weights_in_bert
from transformers.models.t5.modeling_t5 import load_tf_weights_in_t5

DATA = pathlib.Path("tests/data/formats/tf_bundle")
v1 = tf.compat.v1
CODES = {"bool": "BOOL", "uint8": "U8", "int8": "I8", "float8_e5m2": "F8_E5M2", "float8_e4m3fn": "F8_E4M3",
         "int16": "I16", "uint16": "U16", "float16": "F16", "bfloat16": "BF16", "int32": "I32", "uint32": "U32",
         "float32": "F32", "complex64": "C64", "float64": "F64", "int64": "I64", "uint64": "U64"}


def write_expected(folder, variables):
    """A safetensors file by hand: the package's NumPy side lacks some of the dtypes."""
    header, data = {}, b""
    for name in sorted(variables, key=lambda n: (-variables[n].dtype.itemsize, n)):
        value = np.ascontiguousarray(variables[name]).reshape(np.shape(variables[name]))
        header[name] = {"dtype": CODES[str(value.dtype)], "shape": list(value.shape),
                        "data_offsets": [len(data), len(data) + value.nbytes]}
        data += value.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (folder / "expected.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)


def fresh(name):
    folder = DATA / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def save_variables(prefix, variables, partitions=(), write_version=v1.train.SaverDef.V2):
    """By tf.train.Saver, as the training scripts of the time did; `partitions`: (name, array, slices, axis)."""
    with tf.Graph().as_default(), v1.Session() as session:
        saved = [v1.Variable(value, name=name, use_resource=False) for name, value in variables.items()]
        for name, value, slices, axis in partitions:
            saved += list(v1.get_variable(name, value.shape, dtype=value.dtype, use_resource=False,
                                          initializer=lambda shape, dtype, partition_info=None, v=value: v[tuple(
                                              slice(o, o + s) for o, s in zip(partition_info.var_offset, shape))],
                                          partitioner=v1.fixed_size_partitioner(slices, axis=axis)))
        session.run(v1.global_variables_initializer())
        v1.train.Saver(saved, write_version=write_version).save(session, str(prefix), write_meta_graph=False,
                                                                write_state=False)


def check(folder, variables):
    """What TensorFlow reads back must be what we expect ours to read."""
    reader = tf.train.load_checkpoint(str(folder / "model.ckpt"))
    for name, value in variables.items():
        assert np.array_equal(reader.get_tensor(name), value), name
    write_expected(folder, variables)


def normal(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


def dense(out, name, rng, rows, columns):
    out[f"{name}/kernel"] = normal(rng, rows, columns)
    out[f"{name}/bias"] = normal(rng, columns)


def layer_norm(out, name, rng, size):
    out[f"{name}/gamma"] = normal(rng, size)
    out[f"{name}/beta"] = normal(rng, size)


def bert_heads(out, rng, hidden, width, vocab):
    dense(out, "bert/pooler/dense", rng, hidden, hidden)
    dense(out, "cls/predictions/transform/dense", rng, hidden, width)
    layer_norm(out, "cls/predictions/transform/LayerNorm", rng, width)
    out["cls/predictions/output_bias"] = normal(rng, vocab)
    out["cls/seq_relationship/output_weights"] = normal(rng, 2, hidden)
    out["cls/seq_relationship/output_bias"] = normal(rng, 2)


def embeddings(out, rng, width, vocab):
    out["bert/embeddings/word_embeddings"] = normal(rng, vocab, width)
    out["bert/embeddings/token_type_embeddings"] = normal(rng, 2, width)
    out["bert/embeddings/position_embeddings"] = normal(rng, 16, width)
    layer_norm(out, "bert/embeddings/LayerNorm", rng, width)


def with_adam(out, rng):
    slots = {f"{name}/{slot}": normal(rng, *value.shape) for name, value in out.items() for slot in ("adam_m", "adam_v")}
    return out | slots | {"global_step": np.int64(1000)}


def bert_variables(rng):
    out = {}
    embeddings(out, rng, 8, 32)
    for layer in range(2):
        name = f"bert/encoder/layer_{layer}"
        for part in ("query", "key", "value"):
            dense(out, f"{name}/attention/self/{part}", rng, 8, 8)
        dense(out, f"{name}/attention/output/dense", rng, 8, 8)
        layer_norm(out, f"{name}/attention/output/LayerNorm", rng, 8)
        dense(out, f"{name}/intermediate/dense", rng, 8, 16)
        dense(out, f"{name}/output/dense", rng, 16, 8)
        layer_norm(out, f"{name}/output/LayerNorm", rng, 8)
    bert_heads(out, rng, 8, 8, 32)
    return with_adam(out, rng)


def albert_variables(rng):
    out = {}
    embeddings(out, rng, 4, 32)
    dense(out, "bert/encoder/embedding_hidden_mapping_in", rng, 4, 8)
    name = "bert/encoder/transformer/group_0/inner_group_0"
    for part in ("query", "key", "value"):
        dense(out, f"{name}/attention_1/self/{part}", rng, 8, 8)
    dense(out, f"{name}/attention_1/output/dense", rng, 8, 8)
    dense(out, f"{name}/ffn_1/intermediate/dense", rng, 8, 16)
    dense(out, f"{name}/ffn_1/intermediate/output/dense", rng, 16, 8)
    layer_norm(out, f"{name}/LayerNorm", rng, 8)
    layer_norm(out, f"{name}/LayerNorm_1", rng, 8)
    bert_heads(out, rng, 8, 4, 32)
    return with_adam(out, rng)


def t5_attention(out, name, rng):
    for part in ("q", "k", "v"):
        out[f"{name}/{part}"] = normal(rng, 8, 12)
    out[f"{name}/o"] = normal(rng, 12, 8)


def t5_variables(rng):
    """The names of Mesh TensorFlow; its optimizer, Adafactor, keeps factors of the second moment beside them."""
    out = {"shared/embedding": normal(rng, 32, 8)}
    for stack, blocks in (("encoder", ("SelfAttention",)), ("decoder", ("SelfAttention", "EncDecAttention"))):
        for block in range(2):
            name = f"{stack}/block_{block:03d}"
            for layer, attention in enumerate(blocks):
                t5_attention(out, f"{name}/layer_{layer:03d}/{attention}", rng)
                out[f"{name}/layer_{layer:03d}/layer_norm/scale"] = normal(rng, 8)
            if block == 0:
                out[f"{name}/layer_000/SelfAttention/relative_attention_bias"] = normal(rng, 2, 4)
            last = f"{name}/layer_{len(blocks):03d}"
            out[f"{last}/DenseReluDense/wi/kernel"] = normal(rng, 8, 16)
            out[f"{last}/DenseReluDense/wo/kernel"] = normal(rng, 16, 8)
            out[f"{last}/layer_norm/scale"] = normal(rng, 8)
        out[f"{stack}/final_layer_norm/scale"] = normal(rng, 8)
    slots = {}
    for name, value in out.items():
        if value.ndim == 1:
            slots[f"{name}_slot_v"] = normal(rng, *value.shape)
        else:
            slots[f"{name}_slot_vr"] = normal(rng, value.shape[0])
            slots[f"{name}_slot_vc"] = normal(rng, value.shape[1])
    return out | slots | {"global_step": np.int64(1000)}


def write_twin(folder, variables, model, load):
    """The reference's own loader puts the checkpoint into `model`; where each parameter came from is then compared."""
    load(model, model.config, str(folder / "model.ckpt"))
    key_map = {}
    state = model.state_dict()
    for key, value in state.items():
        found = [(name, is_transposed) for name, array in variables.items() for is_transposed in (False, True)
                 if array.ndim == (2 if is_transposed else value.ndim)
                 and np.array_equal(array.T if is_transposed else array, value.numpy())]
        assert len(found) <= 1, (key, found)
        if found:
            key_map[key] = {"variable": found[0][0], "transposed": found[0][1]}
    unmapped = sorted(set(state) - set(key_map))
    (folder / "key_map.json").write_text(json.dumps({"reference": f"transformers {transformers.__version__}",
                                                     "class": type(model).__name__, "not_in_checkpoint": unmapped,
                                                     "keys": key_map}, indent=1) + "\n")
    (folder / "config.json").write_text(model.config.to_json_string())
    save_file({k: v.clone().contiguous() for k, v in state.items()}, folder / "twin.safetensors", {"format": "pt"})
    print(f"{folder.name}: {len(key_map)} keys, not in the checkpoint: {unmapped}")


def write_models(rng):
    tiny = dict(vocab_size=32, hidden_size=8, num_attention_heads=2, num_hidden_layers=2, intermediate_size=16,
                max_position_embeddings=16)
    cases = {
        "bert": (bert_variables, load_tf_weights_in_bert,
                 lambda: transformers.BertForPreTraining(transformers.BertConfig(**tiny))),
        "albert": (albert_variables, load_tf_weights_in_albert,
                   lambda: transformers.AlbertForPreTraining(transformers.AlbertConfig(embedding_size=4, **tiny))),
        "t5": (t5_variables, load_tf_weights_in_t5,
               lambda: transformers.T5ForConditionalGeneration(transformers.T5Config(
                   vocab_size=32, d_model=8, d_kv=6, d_ff=16, num_layers=2, num_heads=2,
                   relative_attention_num_buckets=4))),
    }
    for name, (make, load, model) in cases.items():
        folder = fresh(name)
        variables = make(rng)
        save_variables(folder / "model.ckpt", variables)
        check(folder, variables)
        torch.manual_seed(0)
        write_twin(folder, variables, model(), load)


def write_dtypes(rng):
    """Every dtype that a checkpoint can hold, a scalar, an empty tensor, slices along both axes, and what is no tensor
    of ours: strings, complex128."""
    kinds = [tf.float32, tf.float64, tf.int32, tf.uint8, tf.int16, tf.int8, tf.complex64, tf.int64, tf.bool, tf.bfloat16,
             tf.uint16, tf.half, tf.uint32, tf.uint64, tf.dtypes.experimental.float8_e5m2,
             tf.dtypes.experimental.float8_e4m3fn]
    variables = {f"t/{t.name}": (rng.standard_normal((2, 3)) * 4).astype(np.float32).astype(t.as_numpy_dtype)
                 if t.is_floating or t.is_complex else rng.integers(0, 2 if t == tf.bool else 100, (2, 3)).astype(
                     t.as_numpy_dtype) for t in kinds}
    variables |= {"b/scalar": np.float32(1), "a/empty": np.zeros((0, 4), np.float32),
                  "\u00fc/umlaut": normal(rng, 3)}
    other = {"s/strings": np.array([b"one", b"three"], object), "s/complex128": np.ones(2, np.complex128)}
    parts = [("p/rows", normal(rng, 5, 3), 2, 0), ("p/columns", normal(rng, 3, 200), 3, 1),
             ("p/middle", normal(rng, 2, 4, 3), 4, 1), ("p/whole", normal(rng, 2, 3), 1, 0)]
    folder = fresh("dtypes")
    everything = variables | other
    sliced = {name: (value, axis, count) for name, value, count, axis in parts}
    names, slices, tensors = [], [], []
    for name, value in everything.items():
        names.append(name), slices.append(""), tensors.append(tf.constant(value))
    for name, (value, axis, count) in sliced.items():
        at = 0
        for piece in np.array_split(value, count, axis):
            extents = [f"{at},{piece.shape[axis]}" if i == axis and count > 1 else "-" for i in range(value.ndim)]
            names.append(name), tensors.append(tf.constant(piece))
            slices.append(" ".join(map(str, value.shape)) + " " + ":".join(extents))
            at += piece.shape[axis]
    tf.raw_ops.SaveV2(prefix=str(folder / "model.ckpt"), tensor_names=names, shape_and_slices=slices, tensors=tensors)
    check(folder, variables | {name: value for name, value, *_ in parts})


def write_saver_partitions(rng):
    """A partitioned variable as tf.train.Saver saves it."""
    folder = fresh("partitioned")
    variables = {"plain": normal(rng, 4)}
    parts = [("scope/weights", normal(rng, 4, 300), 3, 1), ("scope/bias", normal(rng, 7), 2, 0)]
    save_variables(folder / "model.ckpt", variables, parts)
    check(folder, variables | {name: value for name, value, *_ in parts})


def write_shards(rng):
    """Two data files, as distributed training leaves them: each worker writes its own, then the indices are merged."""
    folder = fresh("shards")
    variables = {f"layer_{i}/kernel": normal(rng, 4, i + 1) for i in range(6)} | {"global_step": np.int64(7)}
    names = list(variables)
    prefixes = []
    for shard in range(2):
        prefix = str(folder / f"part-{shard}")
        mine = names[shard::2]
        tf.raw_ops.SaveV2(prefix=prefix, tensor_names=mine, shape_and_slices=[""] * len(mine),
                          tensors=[tf.constant(variables[n]) for n in mine])
        prefixes.append(prefix)
    tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=prefixes, destination_prefix=str(folder / "model.ckpt"),
                                  delete_old_dirs=False)
    check(folder, variables)
    write_snappy(folder, variables)


def write_snappy(source, variables):
    """The index of `source` with its blocks compressed, which readers must accept though today's writers do not
    compress: literals and copies of every kind. TensorFlow itself reads it back here."""
    folder = fresh("snappy")
    for file in source.glob("model.ckpt.data*"):
        shutil.copy(file, folder)
    old = (source / "model.ckpt.index").read_bytes()
    (folder / "model.ckpt.index").write_bytes(compress_table(old))
    check(folder, variables)


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def masked_crc(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def snappy(data):
    """A greedy compressor; the kinds of copies take turns."""
    out, literal, at, turn = varint(len(data)), b"", 0, 0

    def flush(text):
        if not text:
            return b""
        n = len(text) - 1
        head = bytes([n << 2]) if n < 60 else bytes([60 << 2, n]) if n < 256 else bytes([61 << 2]) + struct.pack("<H", n)
        return head + text

    while at < len(data):
        best, where = 0, 0
        for start in range(max(0, at - 2000), at):
            n = 0
            while at + n < len(data) and n < 64 and data[start + n] == data[at + n]:
                n += 1
            if n > best:
                best, where = n, start
        if best < 4:
            literal += data[at:at + 1]
            at += 1
            continue
        out += flush(literal)
        literal, distance, turn = b"", at - where, turn + 1
        if turn % 3 == 0:
            out += bytes([best - 1 << 2 | 3]) + struct.pack("<I", distance)
        elif turn % 3 == 1 and best < 12 and distance < 2048:
            out += bytes([distance >> 8 << 5 | best - 4 << 2 | 1, distance & 255])
        else:
            out += bytes([best - 1 << 2 | 2]) + struct.pack("<H", distance)
        at += best
    return out + flush(literal)


def compress_table(table):
    footer = table[-48:]
    _, at = read_varint(footer, 0)
    _, at = read_varint(footer, at)
    offset, at = read_varint(footer, at)
    size, at = read_varint(footer, at)
    index = table[offset:offset + size]
    shared, at = read_varint(index, 0)
    own, at = read_varint(index, at)
    length, at = read_varint(index, at)
    key = index[at:at + own]
    first, at = read_varint(index, at + own)
    first_size, _ = read_varint(index, at)
    assert shared == 0 and first == 0 and index[-4:] == struct.pack("<I", 1), "one block"
    out = b""

    def block(data, is_compressed):
        nonlocal out
        stored = (snappy(data) if is_compressed else data) + bytes([is_compressed])
        handle = varint(len(out)) + varint(len(stored) - 1)
        out += stored + struct.pack("<I", masked_crc(stored))
        return handle

    data = block(table[:first_size], True)
    metadata = block(struct.pack("<II", 0, 1), False)
    index = block(bytes([0, len(key), len(data)]) + key + data + struct.pack("<II", 0, 1), True)
    return out + (metadata + index).ljust(40, b"\0") + footer[40:]


def write_object_graph(rng):
    """TF 2: variables under paths of objects, and a string that describes the objects."""
    folder = fresh("objects")
    module = tf.Module()
    module.kernel = tf.Variable(normal(rng, 3, 4))
    module.bias = tf.Variable(normal(rng, 4))
    tf.train.Checkpoint(model=module).write(str(folder / "model.ckpt"))
    end = ".ATTRIBUTES/VARIABLE_VALUE"
    check(folder, {f"model/kernel/{end}": module.kernel.numpy(), f"model/bias/{end}": module.bias.numpy()})


def write_far_slices():
    """Slices far into a variable too large to exist: the keys of slices hold numbers in a form of 1 to 10 bytes."""
    folder = fresh("far_slices")
    starts = [0] + [2**bits - less for bits in (6, 13, 20, 27, 34, 41, 48, 55) for less in (1, 0)]
    tf.raw_ops.SaveV2(prefix=str(folder / "model.ckpt"), tensor_names=[f"start_{s}" for s in starts],
                      shape_and_slices=[f"{2**60} {s},1" for s in starts],
                      tensors=[tf.constant([1], tf.uint8)] * len(starts))


def write_v1(rng):
    """The form before 2016, one file, which we name and refuse."""
    folder = fresh("v1")
    save_variables(folder / "model.ckpt", {"plain": normal(rng, 4)}, write_version=v1.train.SaverDef.V1)


if __name__ == "__main__":
    generator = np.random.default_rng(11)
    write_models(generator)
    write_dtypes(generator)
    write_saver_partitions(generator)
    write_shards(generator)
    write_object_graph(generator)
    write_far_slices()
    write_v1(generator)
    shutil.rmtree(DATA / "shards" / "part-0", ignore_errors=True)
    (DATA / "versions.json").write_text(json.dumps({"tensorflow": tf.__version__,
                                                    "transformers": transformers.__version__}) + "\n")
