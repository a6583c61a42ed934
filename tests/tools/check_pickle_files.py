"""Opens with torch what `checkpoint_tests` wrote: every argument is a folder that PickleWriter.LeavesFilesForPython filled.

    TRANSFORMERS_KEEP_FILES=/tmp/written build/release/bin/checkpoint_tests --gtest_filter='PickleWriter.Leaves*'
    python tests/tools/check_pickle_files.py /tmp/written

Needs torch 2.13.0 and safetensors 0.8.0. Run from the repository root.
"""

import pathlib
import sys
import zipfile

import torch
from safetensors.torch import load_file

EXPECTED = load_file("tests/data/checkpoint/pickle/expected.safetensors")


def same(a, b):
    bits = lambda x: x.contiguous().reshape(-1).view(torch.uint8)
    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(bits(a), bits(b))


def check(folder):
    file = folder / "every_dtype.bin"
    assert zipfile.ZipFile(file).testzip() is None, "a checksum is wrong"
    for options in ({}, {"mmap": True}):
        found = torch.load(file, weights_only=True, **options)
        assert sorted(found) == sorted(EXPECTED), "other keys"
        for key, value in EXPECTED.items():
            assert same(found[key], value), key
            assert found[key].data_ptr() % 64 == 0 or "mmap" not in options or not value.numel(), f"{key}: alignment"
    tied = torch.load(folder / "tied.bin", weights_only=True)
    assert tied["a"].data_ptr() == tied["b"].data_ptr() and tied["b"].shape == (6,), "an alias is a copy"
    many = torch.load(folder / "many.bin", weights_only=True)
    assert len(many) == 66000 and many["t.65999"].item() == 1.5, "zip64"
    print(f"{folder}: {len(EXPECTED)} tensors, a tie and 66000 entries are as they should be")


for name in sys.argv[1:]:
    check(pathlib.Path(name))
