"""Writes tests/data/checkpoint/pickle: files of torch.save and what they must read as.

Needs torch 2.13.0, safetensors 0.8.0 and transformers 5.23.0. Run from the repository root, after make_model_goldens.py.
"""

import collections
import json
import pathlib

import torch
from safetensors.torch import save_file
from transformers import BertForPreTraining, GPT2LMHeadModel, LlamaForCausalLM, T5ForConditionalGeneration

DATA = pathlib.Path("tests/data")
OUT = DATA / "checkpoint/pickle"
DTYPES = ("bool uint8 int8 float8_e5m2 float8_e4m3fn int16 uint16 float16 bfloat16 int32 uint32 float32 complex64 "
          "float64 int64 uint64").split()


def every_dtype():
    bits = torch.arange(0, 96, dtype=torch.uint8)
    out = {}
    for index, name in enumerate(DTYPES):
        dtype = getattr(torch, name)
        size = 6 * dtype.itemsize
        raw = (bits[:size] % 2 if name == "bool" else bits[:size] * 3 + index).clone()
        out[f"t.{name}"] = raw.view(dtype).reshape(2, 3)
    return out


def layouts():
    """Views, ties, parameters, strides: everything that shares bytes or does not lie row-major."""
    base = torch.arange(120, dtype=torch.float32)
    cube = torch.arange(24, dtype=torch.int16).reshape(2, 3, 4)
    parameter = torch.nn.Parameter(torch.linspace(-1, 1, 7))
    tagged = torch.arange(3.0)
    tagged.note = "an attribute"  # _rebuild_from_type_v2
    return {
        "whole": base, "tie": base, "part": base[40:52].view(3, 4), "column": base.view(12, 10)[:, 3],
        "transposed": base.view(12, 10).t(), "steps": base[3:90:7], "cube": cube, "cube.permuted": cube.permute(2, 0, 1),
        "cube.slice": cube[:, 1:, ::2], "repeated": torch.tensor([2.5]).expand(5), "scalar": torch.tensor(1.5),
        "empty": torch.zeros(0, 4), "one.row": base[:10].view(1, 10).expand(1, 10), "parameter": parameter,
        "buffer": torch.arange(9).view(3, 3)[1:], "tagged": tagged, "ünïcode": torch.ones(2),
    }


def state_dict(tensors):
    out = collections.OrderedDict(tensors)
    out._metadata = collections.OrderedDict({"": {"version": 1}})
    return out


def write_dicts():
    everything = {**every_dtype(), **layouts()}
    twin = {k: v.detach().clone().contiguous() for k, v in everything.items()}
    save_file(twin, OUT / "expected.safetensors")
    torch.save(state_dict(everything), OUT / "zip.bin")
    torch.save(everything, OUT / "protocol4.pt", pickle_protocol=4)
    torch.save(everything, OUT / "protocol5.pt", pickle_protocol=5)
    torch.save(state_dict(everything), OUT / "plain.bin", _use_new_zipfile_serialization=False)
    small = state_dict({"a": torch.arange(4.0), "b": torch.ones(2, 2, dtype=torch.bfloat16)})
    torch.save({"epoch": 3, "state_dict": small, "loss": 0.25, "optimizer": {"state": {0: {"step": torch.ones(1)}}}},
               OUT / "trainer.ckpt")
    torch.save({"a": torch.arange(4.0), "epoch": 3, "name": "x", "nested": {"b": torch.ones(1)}}, OUT / "mixed.pt")
    torch.save({"encoder": {"a": torch.ones(1)}, "decoder": {"a": torch.ones(1)}}, OUT / "nested.pt")
    torch.save([torch.ones(1)], OUT / "list.pt")
    torch.save({}, OUT / "nothing.pt")


class Exploit:
    def __reduce__(self):
        import os
        return os.system, ("true",)


def write_refused():
    torch.save({"a": torch.ones(1), "b": Exploit()}, OUT / "code.bin")
    torch.save({"a": torch.ones(1), "b": Exploit()}, OUT / "code_plain.bin", _use_new_zipfile_serialization=False)
    torch.save({"a": torch.ones(2, 2).to_sparse()}, OUT / "sparse.pt")
    torch.save({"a": torch.ones(2, dtype=torch.complex128)}, OUT / "complex128.pt")
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), str(OUT / "script.pt"))


def write_models():
    """The weights of the tiny models, as a user of each era would have saved them."""
    bert = BertForPreTraining.from_pretrained(DATA / "bert/models/BertForPreTraining")
    names = {".weight": ".gamma", ".bias": ".beta"}
    old = collections.OrderedDict()
    for key, value in bert.state_dict().items():
        stem, dot, last = key.rpartition(".")
        old[stem + names[dot + last] if stem.endswith("LayerNorm") else key] = value
    torch.save(old, OUT / "bert_old_names.bin")
    gpt2 = GPT2LMHeadModel.from_pretrained(DATA / "gpt2/models/GPT2LMHeadModel", dtype=torch.bfloat16)
    torch.save(gpt2.state_dict(), OUT / "gpt2_bf16.bin")
    t5 = T5ForConditionalGeneration.from_pretrained(DATA / "t5/models/T5ForConditionalGeneration")
    torch.save(t5.state_dict(), OUT / "t5_plain.bin", _use_new_zipfile_serialization=False)
    llama = LlamaForCausalLM.from_pretrained(DATA / "llama/models/LlamaForCausalLM").state_dict()
    keys = list(llama)
    shards = {"llama-00001-of-00002.bin": keys[::2], "llama-00002-of-00002.bin": keys[1::2]}
    for file, held in shards.items():
        torch.save({key: llama[key] for key in held}, OUT / file)
    index = {"metadata": {"total_size": sum(v.nbytes for v in llama.values())},
             "weight_map": {key: file for file, held in shards.items() for key in held}}
    (OUT / "llama.bin.index.json").write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    write_dicts()
    write_refused()
    write_models()
