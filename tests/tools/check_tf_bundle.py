"""Reads with TensorFlow the checkpoints that our writer wrote, and compares them with what TensorFlow wrote.

Needs tensorflow and a build. Run from the repository root:

    python tests/tools/check_tf_bundle.py BUILD/bin/checkpoint_tests
"""

import os
import pathlib
import subprocess
import sys
import tempfile

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import numpy as np
import tensorflow as tf

DATA = pathlib.Path("tests/data/formats/tf_bundle")
NOT_OURS = {"s/strings", "s/complex128"}  # of the folder `dtypes`


def compare(ours, theirs):
    """Names, shapes, dtypes and values; TensorFlow compares the checksums as it reads."""
    a, b = tf.train.load_checkpoint(str(ours)), tf.train.load_checkpoint(str(theirs))
    shapes = {name: shape for name, shape in tf.train.list_variables(str(theirs)) if name not in NOT_OURS}
    assert dict(tf.train.list_variables(str(ours))) == shapes
    for name in shapes:
        assert a.get_variable_to_dtype_map()[name] == b.get_variable_to_dtype_map()[name], name
        assert np.asarray(a.get_tensor(name)).tobytes() == np.asarray(b.get_tensor(name)).tobytes(), name
    return len(shapes)


def restore(ours):
    """A session restores it, as training would."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        saved = [v1.get_variable(name, shape, dtype=tf.float32) for name, shape in tf.train.list_variables(str(ours))
                 if name != "global_step"]
        v1.train.Saver(saved).restore(session, str(ours))
        return len(session.run(saved))


def check_many(folder):
    """20,000 variables, several blocks of index: the same bytes as TensorFlow's own."""
    names = sorted((f"scope_{i}/kernel" for i in range(20000)))
    values = [tf.constant(np.frombuffer(n[6:-7].encode(), np.uint8)) for n in names]
    tf.raw_ops.SaveV2(prefix=str(folder / "theirs"), tensor_names=names, shape_and_slices=[""] * len(names),
                      tensors=values)
    for end in (".index", ".data-00000-of-00001"):
        ours, theirs = (folder / f"many{end}").read_bytes(), (folder / f"theirs{end}").read_bytes()
        assert ours == theirs, (end, len(ours), len(theirs))
    return len(names)


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        subprocess.run([sys.argv[1], "--gtest_filter=TfBundleWriter.LeavesFilesForTensorFlow"], check=True,
                       env=os.environ | {"TRANSFORMERS_TEST_OUTPUT": name}, stdout=subprocess.DEVNULL)
        for case in ("albert", "bert", "dtypes", "partitioned", "shards", "t5"):
            print(case, compare(folder / case, DATA / case / "model.ckpt"), "variables are the same")
        print("bert restores:", restore(folder / "bert"), "variables")
        print("many:", check_many(folder), "variables, the same bytes")


if __name__ == "__main__":
    main()
