"""Builds tiny models of the reference, runs them, and writes what tests/data/README.md describes."""

import json
import re
import shutil
import zlib
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file

DATA = Path(__file__).resolve().parents[2] / "data"
FP32, BF16 = "float32", "bfloat16"
TOLERANCE = {FP32: 1e-4, BF16: 2e-2}
BOTH, EAGER = ("eager", "sdpa"), ("eager",)
PAD, BOS, EOS = 0, 1, 2
VOCAB = 41
PER_TOKEN = re.compile(r"hidden_state|attentions\.|^logits|(start|end|prediction)_logits")


def reference_versions():
    return {"transformers": transformers.__version__, "torch": torch.__version__.split("+")[0]}


def generator(label):
    return torch.Generator().manual_seed(zlib.crc32(label.encode()))


def normal(label, *shape, scale=1.0):
    return torch.randn(shape, generator=generator(label)) * scale


def token_ids(label, *shape, vocab=VOCAB, low=3):
    return torch.randint(low, vocab, shape, generator=generator(label))


def padding_mask(batch, length, side, pads=(3, 0)):
    """Row i has pads[i] padding positions on the given side."""
    mask = torch.ones(batch, length, dtype=torch.int64)
    for row, count in enumerate(pads[:batch]):
        if count:
            mask[row, :count] = 0 if side == "left" else mask[row, :count]
            mask[row, length - count :] = 0 if side == "right" else mask[row, length - count :]
    return mask


def on_one_line(match):
    line = re.sub(r"\n\s*", " ", match[0])
    return line if len(line) < 118 else match[0]


def write_json(path, value):
    """Short lists and objects on one line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(value, indent=1, allow_nan=False)
    text = re.sub(r"\[[^\[\]{}]*\]", on_one_line, text)
    path.write_text(re.sub(r"\{[^{}]*\}", on_one_line, text) + "\n")


def write_tensors(path, tensors):
    save_file({k: tensors[k].detach().clone().contiguous() for k in sorted(tensors)}, path)


def is_norm(name):
    return re.search(r"(norm|ln_\w+)\.(weight|gamma)$", name, re.IGNORECASE) is not None


def scale_of(name, tensor):
    """Weights that keep activations near one, attention away from uniform, and bfloat16 outputs small."""
    if tensor.ndim == 1:
        return 0.1
    if re.search(r"embed|wte|wpe|shared|token|position|bias", name):
        return 0.2
    fan_in = tensor.shape[0] if re.search(r"c_(attn|proj|fc)\.weight", name) else tensor[0].numel()
    gain = 3.0 if re.search(r"query|key|q_proj|k_proj|c_attn", name) else 1.0
    gain = 2.0 if re.search(r"\.[qk]\.", name) else gain  # T5 does not divide its scores
    if re.search(r"lm_head|classifier|score|qa_outputs|seq_relationship|out_proj", name):
        gain = 0.5
    return gain / fan_in**0.5


@torch.no_grad()
def fill(model, label):
    """Values depend on the label and the parameter's name only."""
    for name, tensor in model.named_parameters():
        tensor.copy_(normal(f"{label}/{name}", *tensor.shape, scale=scale_of(name, tensor)))
        if is_norm(name):
            tensor.mul_(0.5).add_(0.35)


def flatten_output(output):
    """ModelOutput → name → tensor; the cache is left out."""
    flat = {}
    for name, value in output.items():
        if name == "past_key_values" or value is None:
            continue
        if torch.is_tensor(value):
            flat[name] = value
        else:
            flat.update({f"{name}.{i}": v for i, v in enumerate(value)})
    return flat


def query_mask(name, inputs):
    if name.startswith("encoder") or "decoder_input_ids" not in inputs and "decoder_inputs_embeds" not in inputs:
        return inputs.get("attention_mask")
    return inputs.get("decoder_attention_mask")


def blank_padding(name, value, inputs):
    """NaN where the query is a padding token: those values depend on the attention implementation."""
    mask = query_mask(name, inputs)
    axis = 2 if "attentions." in name else 1
    if mask is None or mask.ndim != 2 or not PER_TOKEN.search(name) or name == "logits" and value.ndim == 2:
        return value
    length = value.shape[axis]
    keep = mask[:, -length:].bool()
    shape = [1] * value.ndim
    shape[0], shape[axis] = keep.shape
    return torch.where(keep.reshape(shape), value, torch.tensor(float("nan")))


def differ(expected, actual):
    difference = (expected - actual).abs()
    return difference[~expected.isnan()].max().item() if difference.numel() else 0.0


class Step:
    def __init__(self, inputs, options=None, reuse=()):
        self.inputs, self.options, self.reuse = inputs, options or {}, list(reuse)


class Folder:
    """One folder of golden data while it is being made."""

    def __init__(self, name):
        self.name, self.root = name, DATA / name
        shutil.rmtree(self.root, ignore_errors=True)
        self.root.mkdir(parents=True)
        self.inputs, self.outputs, self.cases, self.classes = {}, {}, [], {}

    def model(self, name, cls, config, construct=None, tensors=None):
        """Makes models/<name>: random weights, or those given, saved by the reference."""
        model = cls(config, **(construct or {}))
        fill(model, f"{self.name}/{name}")
        if tensors:
            model.load_state_dict(tensors, strict=False)
        model.save_pretrained(self.root / "models" / name)
        (self.root / "models" / name / "generation_config.json").unlink(missing_ok=True)
        return f"models/{name}"

    def config(self, name, base, drop=(), **fields):
        """Makes configs/<name>.json: the config.json of the model `base` with some keys changed."""
        values = json.loads((self.root / base / "config.json").read_text())
        for key in drop:
            values.pop(key, None)
        path = f"configs/{name}.json"
        write_json(self.root / path, values | fields)
        return path

    def load(self, cls, model, config=None, dtype=FP32, attn="eager", construct=None):
        arguments = dict(construct or {})
        if config:
            arguments["config"] = cls.config_class.from_json_file(str(self.root / config))
        dtype = getattr(torch, dtype)
        loaded, info = cls.from_pretrained(
            self.root / model, dtype=dtype, attn_implementation=attn, output_loading_info=True, **arguments
        )
        assert not info["missing_keys"] and not info["mismatched_keys"], (cls, model, info)
        return loaded.eval()

    def case(self, label, cls, model, steps, config=None, dtype=FP32, attn=BOTH, construct=None):
        assert re.fullmatch(r"\w+", label) and all(c["id"] != label for c in self.cases), label
        steps = [steps] if isinstance(steps, Step) else steps
        if any(s.options.get("output_attentions") for s in steps):
            attn = EAGER
        entry = {"id": label, "class": cls.__name__, "model": model}
        entry |= {"config": config} if config else {}
        entry |= {"construct": construct} if construct else {}
        entry |= {"dtype": dtype, "attn": list(attn), "tolerance": TOLERANCE[dtype], "steps": []}
        expected = self.run(cls, model, steps, config, dtype, attn[0], construct)
        for implementation in attn[1:]:
            self.check(label, expected, self.run(cls, model, steps, config, dtype, implementation, construct), dtype)
        for index, (step, outputs) in enumerate(zip(steps, expected, strict=True)):
            self.inputs |= {f"{label}/{index}/{k}": v for k, v in step.inputs.items()}
            self.outputs |= {f"{label}/{index}/{k}": v for k, v in outputs.items()}
            entry["steps"].append(
                {"inputs": list(step.inputs), "options": step.options, "reuse": step.reuse, "outputs": list(outputs)}
            )
        self.cases.append(entry)
        self.register(cls, model, config, construct)

    def register(self, cls, model, config=None, construct=None):
        """The first use of a class decides the config with which names.json lists it."""
        self.classes.setdefault(cls, (config or f"{model}/config.json", construct or {}))

    def check(self, label, expected, actual, dtype):
        for step, other in zip(expected, actual, strict=True):
            for name, value in step.items():
                assert differ(value, other[name]) < 0.7 * TOLERANCE[dtype], (label, name, differ(value, other[name]))

    @torch.no_grad()
    def run(self, cls, model, steps, config, dtype, attn, construct):
        model = self.load(cls, model, config, dtype, attn, construct)
        results, previous = [], None
        for step in steps:
            arguments = {
                k: v.to(model.dtype) if v.is_floating_point() and k != "labels" else v for k, v in step.inputs.items()
            }
            if "labels" in arguments and arguments["labels"].is_floating_point():
                arguments["labels"] = arguments["labels"].to(model.dtype)
            if "past_key_values" in step.reuse:
                arguments["past_key_values"] = previous["past_key_values"]
            if "encoder_outputs" in step.reuse:
                arguments["encoder_outputs"] = (previous["encoder_last_hidden_state"],)
            previous = model(**arguments, **step.options)
            flat = {k: blank_padding(k, v.float(), step.inputs) for k, v in flatten_output(previous).items()}
            finite = all(torch.isfinite(v[~v.isnan()]).all() for v in flat.values())
            assert flat and finite, (cls.__name__, step.inputs.keys())
            results.append({k: v.clone() for k, v in flat.items()})
        return results

    def finish(self, **extra):
        write_tensors(self.root / "inputs.safetensors", self.inputs)
        write_tensors(self.root / "outputs.safetensors", self.outputs)
        write_json(
            self.root / "cases.json",
            {"reference": reference_versions(), "model_type": self.name, "cases": self.cases} | extra,
        )
