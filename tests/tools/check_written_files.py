"""Opens what our writers wrote with h5py, TF 2 and Flax and compares it with tests/data/formats.

Needs what make_framework_goldens.py needs. Run from the repository root after the tests of the checkpoint layer wrote
into a folder:

    TRANSFORMERS_WRITTEN_FILES=/tmp/written build/bin/checkpoint_tests --gtest_filter='*Keras*:*Flax*'
    python tests/tools/check_written_files.py /tmp/written
"""

import json
import os
import pathlib
import shutil
import sys
import tempfile

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["CUDA_VISIBLE_DEVICES"] = ""
sys.path.insert(0, str(pathlib.Path(__file__).parent))

import flax
import h5py
import numpy as np
import tensorflow as tf
import transformers
from safetensors.numpy import load_file

import make_framework_goldens as goldens

DATA = goldens.DATA


def check(name, is_right, detail=""):
    print(f"{'ok  ' if is_right else 'FAIL'}  {name}  {detail}", flush=True)
    check.failures += not is_right


check.failures = 0


def load(model, folder, framework):
    """(missing, unexpected, mismatched keys; logits) of the reference's from_pretrained."""
    inputs = load_file(DATA / model / "inputs.safetensors")
    prefix = {"tf": "TF", "flax": "Flax"}[framework]
    model_class = getattr(transformers, prefix + goldens.MODELS[model][0])
    extra = {"output_loading_info": True} if framework == "tf" else {}
    loaded = model_class.from_pretrained(folder, **extra)
    loaded, info = loaded if framework == "tf" else (loaded, {})
    outputs = goldens.logits_of(loaded(**inputs) if framework == "flax" else loaded(dict(inputs)))
    return {k: v for k, v in info.items() if v}, outputs


def check_model(model, files, framework, label):
    """`files`: written file → name under which the reference looks for it."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(DATA / model / "pytorch/config.json", folder)
        for source, name in files.items():
            shutil.copy(source, pathlib.Path(folder) / name)
        info, outputs = load(model, folder, framework)
    _, expected = load(model, DATA / model / framework, framework)  # on this machine: the last bits are the processor's
    worst = max(float(np.abs(value - expected[key]).max()) for key, value in outputs.items())
    check(f"{model} {label}", not info and worst == 0, f"keys {info}, logits differ by {worst}")


def check_keras(written):
    for model in ("bert", "gpt2", "t5"):
        rows = json.loads((DATA / model / "names.json").read_text())["keras"]
        found = {r["name"]: r for r in goldens.keras_rows(written / f"{model}.h5")}
        check(f"{model}.h5 by h5py", found == {r["name"]: r for r in rows}, f"{len(found)} weights")
        check_model(model, {written / f"{model}.h5": "tf_model.h5"}, "tf", "tf_model.h5 in TF")
        names = [f"{model}-0000{i}-of-00002.h5" for i in (1, 2)]
        check_model(model, {written / n: n for n in names} | {written / f"{model}.h5.index.json": "tf_model.h5.index.json"},
                    "tf", "shards in TF")
    check_keras_files(written)


def check_keras_files(written):
    with h5py.File(written / "dtypes.h5") as ours, h5py.File(DATA / "keras/dtypes.h5") as theirs:
        names = goldens.texts(theirs["t"].attrs["weight_names"])
        same = all(ours["t"][n].dtype == theirs["t"][n].dtype and np.array_equal(ours["t"][n][()], theirs["t"][n][()])
                   for n in names)
        check("dtypes.h5 by h5py", same and goldens.texts(ours["t"].attrs["weight_names"]) == names, f"{len(names)} dtypes")
    from tf_keras.src.saving.legacy import hdf5_format
    with h5py.File(written / "many.h5") as ours:
        group = ours["layer"]
        names = goldens.texts(hdf5_format.load_attributes_from_hdf5_group(group, "weight_names"))
        check("many.h5 by tf-keras", len(names) == 3000 and all(group[n][()][0] == 7 for n in names),
              f"{len([k for k in group.attrs])} parts of weight_names")


def check_flax(written):
    for model in ("bert", "gpt2", "llama", "t5"):
        golden = (DATA / model / "flax/flax_model.msgpack").read_bytes()
        ours = (written / f"{model}.msgpack").read_bytes()
        again = flax.serialization.to_bytes(flax.serialization.msgpack_restore(ours))
        check(f"{model}.msgpack", ours == golden and again == ours, f"{len(ours)} bytes")
        check_model(model, {written / f"{model}.msgpack": "flax_model.msgpack"}, "flax", "flax_model.msgpack in Flax")


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    check_keras(folder)
    check_flax(folder)
    print(f"{check.failures} failures; transformers {transformers.__version__}, tensorflow {tf.__version__}, "
          f"flax {flax.__version__}, h5py {h5py.__version__}")
    sys.exit(check.failures != 0)
