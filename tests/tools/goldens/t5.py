"""T5: both feed-forward kinds, tied and untied head."""

import json

from safetensors.torch import load_file, save_file
from transformers import (
    T5Config,
    T5EncoderModel,
    T5ForConditionalGeneration,
    T5ForQuestionAnswering,
    T5ForSequenceClassification,
    T5ForTokenClassification,
    T5Model,
)

from .core import BF16, EOS, VOCAB, Folder, Step, normal, padding_mask, token_ids
from .text import BATCH, FULL, LENGTH, basics, lm_labels, masked, padded_ids, plain, sequence_labels, span_labels
from .text import token_classifier, with_labels

HIDDEN = 16
DECODED = 7
CACHE = ["past_key_values", "encoder_outputs"]


def config(**fields):
    return T5Config(
        **{
            "vocab_size": VOCAB,
            "d_model": HIDDEN,
            "d_kv": 4,
            "d_ff": 20,
            "num_layers": 2,
            "num_heads": 4,
            "relative_attention_num_buckets": 8,
            "relative_attention_max_distance": 12,
            "pad_token_id": 0,
            "eos_token_id": EOS,
            "decoder_start_token_id": 0,
            "feed_forward_proj": "relu",
        }
        | fields
    )


def target(label, length=DECODED):
    return {"decoder_input_ids": token_ids(label + "/target", BATCH, length)}


def masked_target(label, side):
    mask = padding_mask(BATCH, DECODED, side, (0, 2))
    return {"decoder_input_ids": padded_ids(label + "/target", mask), "decoder_attention_mask": mask}


def pair_cases(folder, cls, model, name=None, config=None, kinds=("plain", "left", "right", "full", "embeds", "bf16")):
    """An encoder and a decoder sequence in every kind of padding."""
    name = name or cls.__name__
    embeds = {
        "inputs_embeds": normal("source", BATCH, LENGTH, HIDDEN, scale=0.5),
        "decoder_inputs_embeds": normal("target", BATCH, DECODED, HIDDEN, scale=0.5),
    }
    table = {
        "plain": lambda k: (plain(k) | target(k), {}),
        "left": lambda k: (masked(k, "left") | masked_target(k, "left"), {}),
        "right": lambda k: (masked(k, "right") | masked_target(k, "right"), {}),
        "full": lambda k: (masked(k, "right") | masked_target(k, "right"), FULL),
        "long": lambda k: (plain(k, 30) | target(k, 24), {}),
        "embeds": lambda k: (embeds, {}),
        "bf16": lambda k: (masked(k, "right") | target(k), {}),
    }
    for kind in kinds:
        inputs, options = table[kind](f"{name}_{kind}")
        more = {"dtype": BF16} if kind == "bf16" else {}
        folder.case(f"{name}_{kind}", cls, model, Step(inputs, options), config, **more)


def cache_cases(folder, cls, model, name=None, config=None):
    """The encoder runs once; the decoder goes on from its cache."""
    name = name or cls.__name__
    for suffix, sizes, more in (
        ("cache", [4, 1, 1], {}),
        ("cache_chunk", [1, 3, 2], {}),
        ("cache_bf16", [4, 1], {"dtype": BF16}),
    ):
        label = f"{name}_{suffix}"
        source, ids = masked(label, "right"), token_ids(label, BATCH, sum(sizes))
        steps, start = [], 0
        for size in sizes:
            inputs = {"attention_mask": source["attention_mask"], "decoder_input_ids": ids[:, start : start + size]}
            inputs |= {} if start else {"input_ids": source["input_ids"]}
            steps.append(Step(inputs, {"use_cache": True}, CACHE if start else []))
            start += size
        folder.case(label, cls, model, steps, config, **more)
    label = f"{name}_no_cache"
    folder.case(label, cls, model, Step(plain(label) | target(label), {"use_cache": False}), config)


def generation_head(folder, name, model, config=None):
    cls = T5ForConditionalGeneration
    pair_cases(folder, cls, model, name, config)
    cache_cases(folder, cls, model, name, config)
    labels = lm_labels(name, length=DECODED)
    folder.case(f"{name}_labels", cls, model, Step(plain(name) | labels), config)
    folder.case(f"{name}_labels_target", cls, model, Step(plain(name) | target(name) | labels), config)


def untied(folder):
    """The layout of T5 v1.1: gated feed-forward, a head of its own, no scaling before it."""
    name = "T5ForConditionalGeneration_v1_1"
    path = folder.model(name, T5ForConditionalGeneration, config(feed_forward_proj="gated-gelu"))
    root = folder.root / path
    fields = json.loads((root / "config.json").read_text())
    fields.pop("scale_decoder_outputs", None)
    (root / "config.json").write_text(
        json.dumps(fields | {"tie_word_embeddings": False}, indent=2, sort_keys=True) + "\n"
    )
    tensors = load_file(root / "model.safetensors")
    tensors["lm_head.weight"] = normal(name, VOCAB, HIDDEN, scale=0.2)
    save_file(tensors, root / "model.safetensors", metadata={"format": "pt"})
    generation_head(folder, name, path)
    pair_cases(folder, T5Model, path, "T5Model_v1_1", kinds=("plain", "full"))
    basics(folder, T5EncoderModel, path, hidden=HIDDEN, name="T5EncoderModel_v1_1", kinds=("plain", "full"))


def variants(folder, model):
    for act in ("gelu", "silu", "gelu_new"):
        path = folder.config(f"act_{act}", model, feed_forward_proj=act, dense_act_fn=act)
        folder.case(f"T5Model_act_{act}", T5Model, model, Step(plain(act) | target(act)), path)
    for act in ("gated-silu", "gated-relu"):
        label = act.replace("-", "_")
        path = folder.config(
            label,
            "models/T5ForConditionalGeneration_v1_1",
            drop=("dense_act_fn", "is_gated_act"),
            feed_forward_proj=act,
        )
        folder.case(
            f"T5Model_{label}", T5Model, "models/T5ForConditionalGeneration_v1_1", Step(plain(act) | target(act)), path
        )
    deep = folder.model(
        "decoder_layers", T5ForConditionalGeneration, config(num_layers=1, num_decoder_layers=3, d_kv=6)
    )
    pair_cases(folder, T5ForConditionalGeneration, deep, "T5ForConditionalGeneration_decoder_layers", kinds=("right",))


def with_end(label):
    """One end token per row: the sequence classifier reads the decoder's state there."""
    ids = token_ids(label, BATCH, LENGTH)
    ids[0, 5] = ids[1, LENGTH - 1] = EOS
    return {"input_ids": ids}


def make():
    folder = Folder("t5")
    model = folder.model("T5ForConditionalGeneration", T5ForConditionalGeneration, config())
    pair_cases(folder, T5Model, model, kinds=("plain", "left", "right", "full", "long", "embeds", "bf16"))
    cache_cases(folder, T5Model, model)
    generation_head(folder, "T5ForConditionalGeneration", model)
    basics(folder, T5EncoderModel, model, hidden=HIDDEN, kinds=("plain", "left", "right", "full", "embeds", "bf16"))
    untied(folder)
    variants(folder, model)
    cls = T5ForSequenceClassification
    three = sequence_labels(folder, cls, lambda name, **f: folder.model(name, cls, config(**f)), with_end)
    for suffix, options in (("plain", {}), ("full", FULL)):
        folder.case(f"T5ForSequenceClassification_{suffix}", cls, three, Step(with_end(suffix), options))
    model = folder.model("T5ForTokenClassification", T5ForTokenClassification, config(num_labels=3))
    token_classifier(folder, T5ForTokenClassification, model, HIDDEN)
    cls = T5ForQuestionAnswering
    model = folder.model("T5ForQuestionAnswering", cls, config())
    label = "T5ForQuestionAnswering"
    folder.case(f"{label}_plain", cls, model, Step(plain(label)))
    folder.case(f"{label}_right", cls, model, Step(masked(label, "right") | masked_target(label, "right")))
    folder.case(f"{label}_full", cls, model, Step(plain(label) | target(label), FULL))
    with_labels(folder, cls, model, f"{label}_labels", span_labels())
    return folder
