#!/usr/bin/env python3
"""Writes tests/data: tiny models of the reference and what they compute. See tests/data/README.md.

Usage: make_model_goldens.py [folder ...]     without arguments: every folder
"""

import importlib
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
os.environ["TQDM_DISABLE"] = "1"

import torch
import transformers

from goldens import loading, names

# Folder → module of the package goldens; its `make_<folder>` or `make` fills the folder. The last two read the others.
FOLDERS = {
    "bert": "bert",
    "gpt2": "gpt2",
    "llama": "decoders",
    "mistral": "decoders",
    "qwen2": "decoders",
    "qwen3": "decoders",
    "t5": "t5",
    "vit": "vit",
    "generation": "generation",
    "gguf": "gguf_files",
}


def make(name):
    module = importlib.import_module(f"goldens.{FOLDERS[name]}")
    folder = getattr(module, f"make_{name}", None) or module.make
    folder = folder()
    if folder is not None:
        names.write(folder)
        loading.write(folder)
        folder.finish()


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    names.write_auto_classes([f for f in FOLDERS if f not in ("generation", "gguf")])
    for name in sys.argv[1:] or FOLDERS:
        print(name, flush=True)
        make(name)


if __name__ == "__main__":
    main()
