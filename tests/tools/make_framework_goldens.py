"""Writes tests/data/formats: the same tiny models as PyTorch, TF 2 and Flax save them, and odd files of both formats.

Needs transformers 4.53.3 with torch, tensorflow, tf-keras and flax. Run from the repository root with
TF_USE_LEGACY_KERAS=1. The layout is described in tests/data/README.md.

    python tests/tools/make_framework_goldens.py               # everything
    python tests/tools/make_framework_goldens.py bert flax     # some folders
"""

import json
import os
import pathlib
import shutil
import sys
import zlib

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import flax
import h5py
import jax.numpy as jnp
import numpy as np
import tensorflow as tf
import torch
import transformers
from flax.traverse_util import flatten_dict
from safetensors.numpy import save_file

DATA = pathlib.Path("tests/data/formats")
TINY = {"vocab_size": 53, "pad_token_id": 0}
MODELS = {
    "bert": ("BertForPreTraining", "BertConfig", dict(
        hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=12,
        max_position_embeddings=24, type_vocab_size=2, **TINY)),
    "gpt2": ("GPT2LMHeadModel", "GPT2Config", dict(
        n_embd=16, n_layer=2, n_head=2, n_positions=24, vocab_size=53, bos_token_id=1, eos_token_id=2)),
    "t5": ("T5ForConditionalGeneration", "T5Config", dict(
        d_model=8, d_kv=4, d_ff=12, num_layers=1, num_heads=2, decoder_start_token_id=0, **TINY)),
    "llama": ("LlamaForCausalLM", "LlamaConfig", dict(
        hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2,
        max_position_embeddings=24, vocab_size=53, bos_token_id=1, eos_token_id=2)),
}
SHARD = "5KB"

# The Flax models of transformers 4.53.3 use a spelling that jax dropped.
_clip = jnp.clip
jnp.clip = lambda x, a_min=None, a_max=None, **rest: _clip(x, rest.get("min", a_min), rest.get("max", a_max))


def fresh(*parts):
    folder = DATA.joinpath(*parts)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def row(name, array):
    array = np.asarray(array, order="C")
    return {"name": name, "dtype": array.dtype.name, "shape": list(array.shape), "crc32": zlib.crc32(array.tobytes())}


def texts(names):
    return [n.decode() if isinstance(n, bytes) else str(n) for n in names]


def keras_rows(file):
    """What weight_names lists, layer by layer in the order of layer_names; a shared weight once."""
    rows = {}
    with h5py.File(file, "r") as h5:
        for group in texts(h5.attrs["layer_names"]) + ["top_level_model_weights"]:
            for name in texts(h5[group].attrs["weight_names"]):
                rows.setdefault(name, row(name, h5[group][name][()]))
    return list(rows.values())


def flax_rows(file):
    tree = flax.serialization.msgpack_restore(file.read_bytes())
    return [row(name, array) for name, array in flatten_dict(tree, sep=".").items()]


def make_inputs(name):
    ids = np.array([[3, 7, 11, 2, 9, 30], [5, 41, 8, 6, 50, 1]], dtype=np.int64)
    inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    if name == "bert":
        inputs["token_type_ids"] = (ids % 2).astype(np.int64)
    if name == "t5":
        inputs["decoder_input_ids"] = ids[:, :4].copy()
    return inputs


def logits_of(outputs):
    return {k: np.asarray(v) for k, v in outputs.items() if "logits" in k}


def make_model(name):
    class_name, config_name, fields = MODELS[name]
    folder = fresh(name)
    torch.manual_seed(len(name))
    model = getattr(transformers, class_name)(getattr(transformers, config_name)(**fields)).eval()
    with torch.no_grad():  # norms and biases that tell when they are mixed up
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    model.save_pretrained(folder / "pytorch")
    inputs = make_inputs(name)
    with torch.no_grad():
        outputs = {f"pytorch/{k}": v.numpy() for k, v in
                   model(**{k: torch.from_numpy(v) for k, v in inputs.items()}).items() if "logits" in k}
    names = {}
    if hasattr(transformers, "TF" + class_name):
        tf_model = getattr(transformers, "TF" + class_name).from_pretrained(folder / "pytorch", from_pt=True)
        tf_model.save_pretrained(folder / "tf")
        tf_model.save_pretrained(folder / "tf_sharded", max_shard_size=SHARD)
        outputs |= {f"tf/{k}": v for k, v in logits_of(tf_model(inputs)).items()}
        names["keras"] = keras_rows(folder / "tf/tf_model.h5")
    flax_model = getattr(transformers, "Flax" + class_name).from_pretrained(folder / "pytorch", from_pt=True)
    flax_model.save_pretrained(folder / "flax")
    flax_model.save_pretrained(folder / "flax_sharded", max_shard_size=SHARD)
    outputs |= {f"flax/{k}": v for k, v in logits_of(flax_model(**inputs)).items()}
    names["flax"] = flax_rows(folder / "flax/flax_model.msgpack")
    names["pytorch"] = [row(k, v.numpy()) for k, v in model.state_dict().items()]
    for extra in folder.glob("*/generation_config.json"):
        extra.unlink()
    save_file(inputs, folder / "inputs.safetensors")
    save_file({k: np.ascontiguousarray(v) for k, v in outputs.items()}, folder / "outputs.safetensors")
    names = {"class": class_name, **names}
    (folder / "names.json").write_text(json.dumps(names, separators=(",", ":")).replace('{"name"', '\n{"name"') + "\n")


def sample(shape, dtype):
    return (np.arange(int(np.prod(shape)), dtype=np.int64) * 7 % 101 - 50).reshape(shape).astype(dtype)


def layer(h5, name, weights, **options):
    group = h5.create_group(name)
    group.attrs["weight_names"] = [w.encode() for w in weights]
    for weight, array in weights.items():
        group.create_dataset(weight, data=array, **options)


def keras_file(path, layers, **options):
    with h5py.File(path, "w") as h5:
        h5.attrs["layer_names"] = [name.encode() for name in layers]
        h5.attrs["backend"] = b"tensorflow"
        h5.attrs["keras_version"] = b"2.21.0"
        for name, weights in layers.items():
            layer(h5, name, weights, **options)


def make_keras():
    folder = fresh("keras")
    dtypes = ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
    arrays = {f"t/{d}:0": sample((2, 3), d) for d in dtypes}
    arrays |= {"t/bool:0": np.array([[True, False, True]]), "t/scalar:0": np.float32(2.5).reshape(()),
               "t/empty:0": np.zeros((0, 4), np.float32)}
    keras_file(folder / "dtypes.h5", {"t": arrays})
    keras_file(folder / "big_endian.h5", {"t": {f"t/{d}:0": sample((2, 3), np.dtype(d).newbyteorder(">"))
                                                for d in ["float16", "float32", "int64"]}})
    matrix = {"d": {"d/kernel:0": sample((37, 21), "float32"), "d/bias:0": sample((21,), "float64")}}
    keras_file(folder / "gzip.h5", matrix, compression="gzip", shuffle=True, chunks=True)
    keras_file(folder / "chunked.h5", matrix, chunks=True)
    keras_file(folder / "lzf.h5", matrix, compression="lzf")
    keras_file(folder / "checksummed.h5", matrix, fletcher32=True)
    keras_file(folder / "repeated.h5", {"a": {"kernel:0": sample((3,), "float32")},
                                        "b": {"kernel:0": sample((4,), "float32")}})
    make_keras_layouts(folder)
    make_keras_saves(folder)
    make_keras_refused(folder)


def make_keras_layouts(folder):
    with h5py.File(folder / "split_names.h5", "w") as h5:
        for i, names in enumerate((["a", "b"], ["c"])):
            h5.attrs[f"layer_names{i}"] = [n.encode() for n in names]
            for name in names:
                group = h5.create_group(name)
                group.attrs["weight_names0"] = [b"m/kernel:0".replace(b"m", name.encode())]
                group.attrs["weight_names1"] = [b"m/bias:0".replace(b"m", name.encode())]
                group[f"{name}/kernel:0"] = sample((2, 2), "float32")
                group[f"{name}/bias:0"] = sample((2,), "float32")
    with h5py.File(folder / "keras_1.h5", "w") as h5:  # before layer_names
        h5.attrs["nb_layers"] = 2
        for i in range(2):
            group = h5.create_group(f"layer_{i}")
            group.attrs["nb_params"] = 1
            group["param_0"] = sample((2, i + 1), "float32")
    with h5py.File(folder / "no_weight_names.h5", "w") as h5:
        h5.attrs["layer_names"] = [b"dense"]
        h5["dense/param_1"] = sample((2,), "float32")
        h5["dense/param_0"] = sample((2, 2), "float32")
    with h5py.File(folder / "latest.h5", "w", libver="latest") as h5:  # other headers, links and superblock
        h5.attrs["layer_names"] = ["d"]  # text of variable length
        group = h5.create_group("d")
        group.attrs["weight_names"] = ["d/kernel:0"]
        group["d/kernel:0"] = sample((2, 3), "float32")
    with h5py.File(folder / "many.h5", "w") as h5:  # a group of two levels
        h5.attrs["layer_names"] = [b"layer"]
        layer(h5, "layer", {"layer/w0:0": sample((5,), "float32")})
        group = h5["layer/layer"]
        for i in range(1, 400):
            group[f"w{i}:0"] = group["w0:0"]
        h5["layer"].attrs["weight_names"] = [f"layer/w{i}:0".encode() for i in range(400)]


def make_keras_saves(folder):
    keras = tf.keras
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(4, name="one"),
                              keras.layers.BatchNormalization(name="norm"), keras.layers.Dense(2, name="two")])
    model.compile("adam", "mse")
    model.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0)
    model.save(folder / "whole_model.h5", save_format="h5")
    model.save_weights(folder / "weights.h5", save_format="h5")
    rows = {"weights.h5": keras_rows(folder / "weights.h5")}
    (folder / "names.json").write_text(json.dumps(rows, separators=(",", ":")).replace('{"name"', '\n{"name"') + "\n")


def refused(path, make):
    with h5py.File(path, "w") as h5:
        h5.attrs["layer_names"] = [b"d"]
        group = h5.create_group("d")
        group.attrs["weight_names"] = [b"d/kernel:0"]
        make(group)


def make_keras_refused(folder):
    folder = fresh("keras", "refused")
    layout = h5py.VirtualLayout(shape=(4,), dtype="f4")
    layout[:] = h5py.VirtualSource("elsewhere.h5", "x", shape=(4,))
    cases = {
        "external_link": lambda g: g.__setitem__("d/kernel:0", h5py.ExternalLink("/etc/passwd", "/x")),
        "soft_link": lambda g: g.__setitem__("d/kernel:0", h5py.SoftLink("/elsewhere")),
        "external_storage": lambda g: g.create_dataset("d/kernel:0", (4,), "f4", external=[("/etc/passwd", 0, 16)]),
        "virtual": lambda g: g.create_virtual_dataset("d/kernel:0", layout),
        "never_written": lambda g: g.create_dataset("d/kernel:0", (4,), "f4"),
        "compound": lambda g: g.create_dataset("d/kernel:0", data=np.zeros(2, "c8")),
        "strings": lambda g: g.create_dataset("d/kernel:0", data=[b"abc"]),
        "reference": lambda g: g.create_dataset("d/kernel:0", data=g.ref, dtype=h5py.ref_dtype),
        "a_group": lambda g: g.create_group("d/kernel:0"),
        "missing": lambda g: None,
        "cycle": lambda g: (g.attrs.__delitem__("weight_names"), g.__setitem__("d", g)),
    }
    for name, make in cases.items():
        refused(folder / f"{name}.h5", make)
    for stray in pathlib.Path(".").glob("elsewhere*"):
        stray.unlink()


def make_flax():
    folder = fresh("flax")
    to_bytes = flax.serialization.to_bytes
    dtypes = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32",
              "float64", "complex64"]
    tree = {"z": {d: sample((2, 3), d) for d in dtypes}, "a": {"bfloat16": np.asarray(sample((3,), "float32")).astype(
        jnp.bfloat16), "scalar": np.full((), 1.5, np.float32), "empty": np.zeros((0, 5), np.float32)},
        "ba": {f"n{n}": sample((n,), "uint8") for n in (1, 2, 200, 300)}}
    (folder / "dtypes.msgpack").write_bytes(to_bytes(tree))
    flat = flatten_dict(tree, sep=".")
    (folder / "names.json").write_text(json.dumps([row(k, v) for k, v in flat.items()]) + "\n")
    (folder / "other_leaves.msgpack").write_bytes(to_bytes(
        {"w": np.float32(2.5), "step": 7, "big": 2**40, "minus": -3, "rate": 0.5, "on": True, "none": None,
         "text": "abc", "complex": 1 + 2j, "a.b": {"c%d": np.ones(2, np.float32)}, "x": {}}))
    limit, flax.serialization.MAX_CHUNK_SIZE = flax.serialization.MAX_CHUNK_SIZE, 64
    (folder / "pieces_of_64.msgpack").write_bytes(to_bytes(
        {"m": {"small": sample((4, 4), "float32"), "large": sample((7, 9), "float32"), "bytes": sample((130,), "uint8")}}))
    flax.serialization.MAX_CHUNK_SIZE = limit


def main(wanted):
    makers = {name: lambda n=name: make_model(n) for name in MODELS} | {"keras": make_keras, "flax": make_flax}
    for name, make in makers.items():
        if not wanted or name in wanted:
            make()
    versions = {"transformers": transformers.__version__, "tensorflow": tf.__version__, "flax": flax.__version__,
                "h5py": h5py.__version__, "hdf5": h5py.version.hdf5_version}
    (DATA / "versions.json").write_text(json.dumps(versions) + "\n")


if __name__ == "__main__":
    main(set(sys.argv[1:]))
