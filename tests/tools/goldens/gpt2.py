"""GPT-2."""

import torch
from transformers import (
    GPT2Config,
    GPT2DoubleHeadsModel,
    GPT2ForQuestionAnswering,
    GPT2ForSequenceClassification,
    GPT2ForTokenClassification,
    GPT2LMHeadModel,
    GPT2Model,
)

from .core import BF16, EAGER, VOCAB, Folder, Step, token_ids
from .text import BATCH, FULL, basics, cache_steps, cached, causal_lm, masked, plain
from .text import question_answering, sequence_labels, token_classifier

HIDDEN = 16


def config(**fields):
    return GPT2Config(
        **{
            "vocab_size": VOCAB,
            "n_embd": HIDDEN,
            "n_layer": 2,
            "n_head": 4,
            "n_positions": 20,
            "pad_token_id": 0,
            "bos_token_id": 1,
            "eos_token_id": 2,
        }
        | fields
    )


def variants(folder, model):
    """Config switches that change the arithmetic but not the weights."""
    switches = {
        "inverse_layer": {"scale_attn_by_inverse_layer_idx": True},
        "unscaled": {"scale_attn_weights": False},
        "reorder": {"reorder_and_upcast_attn": True},
        "reorder_inverse": {"reorder_and_upcast_attn": True, "scale_attn_by_inverse_layer_idx": True},
        "relu": {"activation_function": "relu"},
        "gelu": {"activation_function": "gelu"},
        "silu": {"activation_function": "silu"},
        "gelu_fast": {"activation_function": "gelu_fast"},
        "tanh": {"activation_function": "tanh"},
    }
    for name, fields in switches.items():
        path = folder.config(name, model, **fields)
        attn = EAGER if "reorder" in name else ("eager", "sdpa")
        label = f"GPT2LMHeadModel_{name}"
        folder.case(label, GPT2LMHeadModel, model, Step(masked(label, "left")), path, attn=attn)
    folder.case(
        "GPT2LMHeadModel_reorder_bf16",
        GPT2LMHeadModel,
        model,
        Step(plain("reorder_bf16")),
        "configs/reorder.json",
        dtype=BF16,
        attn=EAGER,
    )
    steps = cache_steps("reorder_cache", [6, 1, 1])
    folder.case("GPT2LMHeadModel_reorder_cache", GPT2LMHeadModel, model, steps, "configs/reorder.json", attn=EAGER)


def untied(folder):
    model = folder.model("GPT2LMHeadModel_untied", GPT2LMHeadModel, config(tie_word_embeddings=False, n_inner=20))
    folder.case("GPT2LMHeadModel_untied", GPT2LMHeadModel, model, Step(plain("untied")))


def double_heads(folder):
    model = folder.model("GPT2DoubleHeadsModel", GPT2DoubleHeadsModel, config())
    for suffix, options in (("plain", {}), ("full", FULL), ("labels", {}), ("last", {})):
        label = f"GPT2DoubleHeadsModel_{suffix}"
        inputs = {"input_ids": token_ids(label, 2, 3, 7)}
        if suffix != "last":
            inputs["mc_token_ids"] = torch.tensor([[6, 3, 5], [0, 2, 6]])
        if suffix == "labels":
            inputs |= {"labels": token_ids(label + "/labels", 2, 3, 7), "mc_labels": torch.tensor([1, 2])}
        folder.case(label, GPT2DoubleHeadsModel, model, Step(inputs, options))
    for kind in ("last", "first", "mean"):
        path = folder.config(f"summary_{kind}", model, summary_type=kind, summary_activation="tanh")
        label = f"GPT2DoubleHeadsModel_summary_{kind}"
        folder.case(label, GPT2DoubleHeadsModel, model, Step({"input_ids": token_ids(label, 2, 7)}), path)


def make():
    folder = Folder("gpt2")
    model = folder.model("GPT2LMHeadModel", GPT2LMHeadModel, config())
    basics(folder, GPT2Model, model, hidden=HIDDEN)
    cached(folder, GPT2Model, model)
    label = "GPT2Model_types"
    folder.case(
        label, GPT2Model, model, Step(plain(label) | {"token_type_ids": token_ids(label + "/types", BATCH, 9)}, FULL)
    )
    causal_lm(folder, GPT2LMHeadModel, model, HIDDEN)
    variants(folder, model)
    untied(folder)
    double_heads(folder)
    cls = GPT2ForSequenceClassification
    three = sequence_labels(folder, cls, lambda name, **f: folder.model(name, cls, config(**f)))
    basics(folder, cls, three, hidden=HIDDEN)
    model = folder.model("GPT2ForTokenClassification", GPT2ForTokenClassification, config(num_labels=3))
    token_classifier(folder, GPT2ForTokenClassification, model, HIDDEN)
    model = folder.model("GPT2ForQuestionAnswering", GPT2ForQuestionAnswering, config())
    question_answering(folder, GPT2ForQuestionAnswering, model, HIDDEN)
    return folder
