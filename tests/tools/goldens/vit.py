"""ViT."""

import torch
from transformers import ViTConfig, ViTForImageClassification, ViTForMaskedImageModeling, ViTModel

from .core import BF16, Folder, Step, normal
from .text import BATCH, FULL

SIZE, PATCH = 12, 4


def config(**fields):
    return ViTConfig(
        **{
            "hidden_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 24,
            "image_size": SIZE,
            "patch_size": PATCH,
            "num_channels": 3,
            "encoder_stride": PATCH,
        }
        | fields
    )


def pixels(label, height=SIZE, width=SIZE):
    return {"pixel_values": normal(label, BATCH, 3, height, width)}


def masked_patches(label):
    mask = normal(label + "/mask", BATCH, (SIZE // PATCH) ** 2) > 0.3
    mask[:, 0] = True
    return {"bool_masked_pos": mask}


def image_cases(folder, cls, model, name=None, construct=None, interpolate=((20, 20), (16, 24))):
    name = name or cls.__name__
    folder.case(f"{name}_plain", cls, model, Step(pixels(name)), construct=construct)
    folder.case(f"{name}_full", cls, model, Step(pixels(name), FULL), construct=construct)
    folder.case(f"{name}_bf16", cls, model, Step(pixels(name)), dtype=BF16, construct=construct)
    for height, width in interpolate:
        step = Step(pixels(name, height, width), {"interpolate_pos_encoding": True})
        folder.case(f"{name}_interpolate_{height}_{width}", cls, model, step, construct=construct)
    step = Step(pixels(name), {"interpolate_pos_encoding": True})
    folder.case(f"{name}_interpolate_same", cls, model, step, construct=construct)


def variants(folder, model):
    for name, fields in {
        "relu": {"hidden_act": "relu"},
        "eps": {"layer_norm_eps": 0.1},
        "pooler_relu": {"pooler_act": "relu"},
    }.items():
        path = folder.config(name, model, **fields)
        folder.case(f"ViTModel_{name}", ViTModel, model, Step(pixels(name)), path)
    for name, fields in {"no_qkv_bias": {"qkv_bias": False}, "pooler_size": {"pooler_output_size": 10}}.items():
        path = folder.model(name, ViTModel, config(**fields))
        folder.case(f"ViTModel_{name}", ViTModel, path, Step(pixels(name)))


def classification(folder):
    cls = ViTForImageClassification
    model = folder.model(cls.__name__, cls, config(num_labels=3))
    one = folder.model(f"{cls.__name__}_regression", cls, config(num_labels=1))
    image_cases(folder, cls, model)
    labels = {
        "single": torch.tensor([2, 0]),
        "multi": torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]),
        "regression": torch.tensor([0.25, -0.5]),
    }
    for kind, values in labels.items():
        label = f"{cls.__name__}_labels_{kind}"
        folder.case(label, cls, one if kind == "regression" else model, Step(pixels(label) | {"labels": values}))


def make():
    folder = Folder("vit")
    model = folder.model("ViTModel", ViTModel, config())
    image_cases(folder, ViTModel, model)
    image_cases(folder, ViTModel, model, "ViTModel_no_pooler", {"add_pooling_layer": False}, interpolate=())
    variants(folder, model)
    cls = ViTForMaskedImageModeling
    model = folder.model(cls.__name__, cls, config())
    image_cases(folder, cls, model, interpolate=((20, 20),))
    for suffix, options in (("masked", {}), ("masked_full", FULL)):
        label = f"{cls.__name__}_{suffix}"
        folder.case(label, cls, model, Step(pixels(label) | masked_patches(label), options))
    construct = {"add_pooling_layer": False, "use_mask_token": True}
    label = "ViTModel_mask_token"
    folder.case(label, ViTModel, model, Step(pixels(label) | masked_patches(label)), construct=construct)
    classification(folder)
    return folder
