"""loading.json: what from_pretrained reports about keys, for files of one class read as another and for old names."""

import shutil

from safetensors.torch import load_file, save_file

from .core import is_norm, write_json

OLD_NAMES = (("LayerNorm.weight", "LayerNorm.gamma"), ("LayerNorm.bias", "LayerNorm.beta"))
COMMON = ("base_only", "lost", "misshaped")
SAME_AS_LLAMA = ("mistral", "qwen2", "qwen3")
SPECIAL = (("bert", "gamma_beta"), ("bert", "stripped"), ("bert", "module"), ("bert", "extra"), ("llama", "inv_freq"))


def keys_report(info):
    mismatched = [[k, list(a), list(b)] for k, a, b in sorted(info["mismatched_keys"])]
    return {
        "missing_keys": sorted(info["missing_keys"]),
        "unexpected_keys": sorted(info["unexpected_keys"]),
        "mismatched_keys": mismatched,
    }


def report(folder, label, cls, model, ignore_mismatched_sizes=False, construct=None, config_overrides=None):
    entry = {
        "id": label,
        "class": cls.__name__,
        "model": model,
        "ignore_mismatched_sizes": ignore_mismatched_sizes,
        "construct": construct or {},
    }
    entry |= {"config_overrides": config_overrides} if config_overrides else {}
    try:
        _, info = cls.from_pretrained(
            folder.root / model,
            output_loading_info=True,
            ignore_mismatched_sizes=ignore_mismatched_sizes,
            **(construct or {}),
            **(config_overrides or {}),
        )
        return entry | keys_report(info) | {"error": ""}
    except Exception as error:  # the kind of error is the expected value
        return entry | {"error": type(error).__name__}


def variant(folder, name, model, change):
    """loading/<name>: the weights of a model folder with other key names or values."""
    path = folder.root / "loading" / name
    path.mkdir(parents=True)
    shutil.copy(folder.root / model / "config.json", path)
    save_file(
        change(load_file(folder.root / model / "model.safetensors")),
        path / "model.safetensors",
        metadata={"format": "pt"},
    )
    return f"loading/{name}"


def old_name(key):
    for new, old in OLD_NAMES:
        key = key.replace(new, old)
    return key


def strip(key, prefix):
    return key.removeprefix(prefix)


def variants(folder, base, head):
    """Old names, a file without the prefix, one with a foreign prefix, lost, extra and mis-shaped tensors."""
    model, prefix = f"models/{head.__name__}", base.base_model_prefix + "."
    made = {
        "gamma_beta": lambda t: {old_name(k): v for k, v in t.items()},
        "stripped": lambda t: {strip(k, prefix): v for k, v in t.items()},
        "module": lambda t: {"module." + k: v for k, v in t.items()},
        "base_only": lambda t: {strip(k, prefix): v for k, v in t.items() if k.startswith(prefix)},
        "lost": lambda t: {k: v for i, (k, v) in enumerate(sorted(t.items())) if i % 5},
        "extra": lambda t: t | {"extra.weight": next(iter(t.values())).clone()},
        "misshaped": lambda t: t | {k: t[k][1:].contiguous() for k in sorted(t) if is_norm(k)},
        "inv_freq": lambda t: t | {f"{prefix}rotary_emb.inv_freq": next(iter(t.values()))[:1].clone()},
    }
    for name, change in made.items():
        if folder.name in SAME_AS_LLAMA or name not in COMMON and (folder.name, name) not in SPECIAL:
            continue
        path = variant(folder, name, model, change)
        for cls in dict.fromkeys((head, base)):
            yield report(folder, f"{cls.__name__}_{name}", cls, path)
        if name == "misshaped":
            yield report(folder, f"{head.__name__}_{name}_ignored", head, path, ignore_mismatched_sizes=True)


def pairs(folder, classes):
    prefix = classes[0].__name__.split("Model")[0]
    models = [
        p.name
        for p in sorted((folder.root / "models").iterdir())
        if p.name.startswith((prefix, "tied")) and "regression" not in p.name
    ]
    for name in models:
        for cls in classes:
            yield report(folder, f"{name}_as_{cls.__name__}", cls, f"models/{name}")


def other_labels(folder, classes):
    cls = next(
        (c for c in classes if c.__name__.endswith(("ForSequenceClassification", "ForImageClassification"))), None
    )
    if cls:
        model = f"models/{cls.__name__}"
        for ignore in (False, True):
            label = f"{cls.__name__}_five_labels" + ("_ignored" if ignore else "")
            yield report(folder, label, cls, model, ignore, config_overrides={"num_labels": 5})


def main_head(folder, classes):
    """The class whose file also holds the language modelling or reconstruction head."""
    names = ("ForPreTraining", "LMHeadModel", "ForCausalLM", "ForConditionalGeneration", "ForMaskedImageModeling")
    return next(
        c for n in names for c in classes if c.__name__.endswith(n) and (folder.root / "models" / c.__name__).exists()
    )


def write(folder):
    classes = list(folder.classes)
    cases = [
        *pairs(folder, classes),
        *variants(folder, classes[0], main_head(folder, classes)),
        *other_labels(folder, classes),
    ]
    write_json(folder.root / "loading.json", {"cases": cases})
