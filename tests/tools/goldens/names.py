"""names.json, config_defaults.json, configs.json."""

import json

import torch
import transformers

from .core import DATA, write_json

VOLATILE = ("_name_or_path", "transformers_version", "_attn_implementation")


def plain_dict(config):
    return {k: v for k, v in json.loads(config.to_json_string(use_diff=False)).items() if k not in VOLATILE}


def tensor_entry(name, tensor):
    return {"name": name, "shape": list(tensor.shape), "dtype": str(tensor.dtype).removeprefix("torch.")}


def buffer_entries(model):
    for prefix, module in model.named_modules():
        for name, buffer in module.named_buffers(prefix, recurse=False):
            persistent = name.rpartition(".")[2] not in module._non_persistent_buffers_set
            yield tensor_entry(name, buffer) | {"persistent": persistent}


def describe(folder, cls, config_path, construct):
    config = cls.config_class.from_json_file(str(folder.root / config_path))
    with torch.device("meta"):
        model = cls(config, **construct)
    model.tie_weights()
    support = {"sdpa": bool(cls._supports_sdpa), "gradient_checkpointing": bool(cls.supports_gradient_checkpointing)}
    return {
        "config": config_path,
        "construct": construct,
        "parameters": [tensor_entry(n, p) for n, p in model.named_parameters()],
        "buffers": list(buffer_entries(model)),
        "state_dict": list(model.state_dict()),
        "tied": dict(sorted(model.all_tied_weights_keys.items())),
        "base_model_prefix": cls.base_model_prefix,
        "no_split_modules": sorted(model._no_split_modules or []),
        "keep_in_fp32_modules": sorted(cls._keep_in_fp32_modules or []),
        "keys_to_ignore_on_load_missing": sorted(model._keys_to_ignore_on_load_missing or []),
        "keys_to_ignore_on_load_unexpected": sorted(model._keys_to_ignore_on_load_unexpected or []),
        "main_input_name": cls.main_input_name,
        "can_generate": bool(cls.can_generate()),
        "architecture_supports": support,
    }


def write(folder):
    classes = {c.__name__: describe(folder, c, *v) for c, v in folder.classes.items()}
    write_json(folder.root / "names.json", {"classes": classes})
    config_class = next(iter(folder.classes)).config_class
    write_json(
        folder.root / "config_defaults.json",
        {
            "class": config_class.__name__,
            "model_type": config_class.model_type,
            "attribute_map": config_class.attribute_map,
            "keys_to_ignore_at_inference": list(getattr(config_class, "keys_to_ignore_at_inference", [])),
            "fields": plain_dict(config_class()),
        },
    )
    paths = sorted(folder.root.glob("configs/*.json")) + sorted(folder.root.glob("models/*/config.json"))
    write_json(
        folder.root / "configs.json",
        {str(p.relative_to(folder.root)): plain_dict(config_class.from_json_file(str(p))) for p in paths},
    )


AUTO = (
    "AutoModel AutoModelForPreTraining AutoModelForCausalLM AutoModelForMaskedLM AutoModelForSeq2SeqLM "
    "AutoModelForSequenceClassification AutoModelForTokenClassification AutoModelForQuestionAnswering "
    "AutoModelForMultipleChoice AutoModelForNextSentencePrediction AutoModelForImageClassification "
    "AutoModelForMaskedImageModeling"
).split()


def write_auto_classes(model_types):
    """auto.json: the class that each Auto class stands for, by model type."""
    table = {}
    for auto in AUTO:
        mapping = getattr(transformers, auto)._model_mapping._model_mapping
        table[auto] = {t: mapping[t] for t in model_types if t in mapping}
    write_json(DATA / "auto.json", table)
