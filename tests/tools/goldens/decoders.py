"""Llama and its thin variants: Mistral, Qwen2, Qwen3."""

import transformers

from .core import BF16, VOCAB, Folder, Step
from .text import FULL, basics, cache_steps, cached, causal_lm, masked, plain
from .text import question_answering, sequence_labels, token_classifier

HIDDEN = 16
SMALL = {
    "vocab_size": VOCAB,
    "hidden_size": HIDDEN,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 32,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


class Family:
    """The five classes of one of these architectures and a maker of tiny configs."""

    def __init__(self, folder, prefix, **fields):
        self.folder, self.prefix, self.fields = Folder(folder), prefix, SMALL | fields
        self.base, self.lm = self.cls("Model"), self.cls("ForCausalLM")

    def cls(self, suffix):
        return getattr(transformers, self.prefix + suffix)

    def config(self, **fields):
        return getattr(transformers, self.prefix + "Config")(**(self.fields | fields))

    def model(self, name, suffix, **fields):
        return self.folder.model(name, self.cls(suffix), self.config(**fields))

    def heads(self):
        """Every head with its own small file; returns the folder of the causal language model."""
        model = self.model(f"{self.prefix}ForCausalLM", "ForCausalLM")
        basics(self.folder, self.base, model, hidden=HIDDEN)
        cached(self.folder, self.base, model)
        causal_lm(self.folder, self.lm, model, HIDDEN)
        cls = self.cls("ForSequenceClassification")
        three = sequence_labels(self.folder, cls, lambda name, **f: self.model(name, "ForSequenceClassification", **f))
        basics(self.folder, cls, three, hidden=HIDDEN, kinds=("plain", "left", "right", "full", "embeds"))
        cls = self.cls("ForTokenClassification")
        token_classifier(self.folder, cls, self.model(cls.__name__, "ForTokenClassification", num_labels=3), HIDDEN)
        cls = self.cls("ForQuestionAnswering")
        question_answering(self.folder, cls, self.model(cls.__name__, "ForQuestionAnswering"), HIDDEN)
        return model

    def variant(self, name, model, config=None, bf16=False, full=False):
        """The short list for a config switch: left padding, cache, and on request bfloat16 and all outputs."""
        label, case = f"{self.lm.__name__}_{name}", self.folder.case
        case(f"{label}_left", self.lm, model, Step(masked(label, "left", 12)), config)
        case(f"{label}_cache", self.lm, model, cache_steps(label, [6, 1, 1, 3, 1]), config)
        if full:
            case(f"{label}_full", self.lm, model, Step(masked(label, "left", 10), FULL), config)
        if bf16:
            case(f"{label}_bf16", self.lm, model, Step(plain(label, 10)), config, dtype=BF16)


# Low enough that a dozen positions turn most of the eight frequencies visibly; with the lengths below every rope type has
# frequencies on both sides of its thresholds.
THETA = 30.0
ROPE_MODEL = {
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "max_position_embeddings": 256,
    "rope_parameters": {"rope_type": "default", "rope_theta": THETA},
}


def new_style(rope):
    return {"rope_parameters": {"rope_theta": THETA} | rope}


def old_style(rope, key="rope_type"):
    values = dict(rope)
    values[key] = values.pop("rope_type")
    return {"rope_theta": THETA, "rope_scaling": values}


YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
SHORT = [1.0, 1.1, 1.3, 1.5, 1.8, 2.1, 2.5, 3.0]
LONG = [2.0, 2.5, 3.0, 4.0, 5.0, 6.5, 8.0, 10.0]
LONGROPE = {"rope_type": "longrope", "short_factor": SHORT, "long_factor": LONG}
ROPES = {
    "linear": ({"rope_type": "linear", "factor": 2.5}, {}),
    "dynamic_within": ({"rope_type": "dynamic", "factor": 2.0}, {}),
    "dynamic": ({"rope_type": "dynamic", "factor": 2.0}, {"max_position_embeddings": 7}),
    "yarn": (YARN, {}),
    "yarn_attention_factor": (YARN | {"attention_factor": 0.8}, {}),
    "yarn_mscale": (YARN | {"mscale": 0.9, "mscale_all_dim": 0.6}, {}),
    "yarn_mscale_equal": (YARN | {"mscale": 1.0, "mscale_all_dim": 1.0}, {}),
    "yarn_betas": (YARN | {"beta_fast": 4.0, "beta_slow": 0.5}, {}),
    "yarn_not_truncated": (YARN | {"truncate": False, "beta_fast": 2.5, "beta_slow": 0.3}, {}),
    "yarn_no_original": ({"rope_type": "yarn", "factor": 4.0}, {}),
    "longrope_short": (LONGROPE | {"original_max_position_embeddings": 16, "factor": 4.0}, {}),
    "longrope_long": (LONGROPE | {"original_max_position_embeddings": 7, "factor": 4.0}, {}),
    "longrope_no_factor": (LONGROPE | {"original_max_position_embeddings": 16}, {}),
    "longrope_attention_factor": (LONGROPE | {"original_max_position_embeddings": 16, "attention_factor": 1.3}, {}),
    "llama3": (
        {
            "rope_type": "llama3",
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64,
        },
        {},
    ),
}


def rope_cases(family, model):
    folder = family.folder
    path = folder.config("theta", model, drop=("rope_parameters",), rope_theta=1000.0)
    family.variant("theta_old", model, path)
    path = folder.config("theta_new", model, rope_parameters={"rope_type": "default", "rope_theta": 1000.0})
    family.variant("theta_new", model, path)
    path = folder.config("no_rope_keys", model, drop=("rope_parameters",))
    folder.case("LlamaForCausalLM_no_rope_keys", family.lm, model, Step(plain("no_rope_keys")), path)
    path = folder.config("null_rope_scaling", model, drop=("rope_parameters",), rope_theta=1000.0, rope_scaling=None)
    folder.case("LlamaForCausalLM_null_rope_scaling", family.lm, model, Step(plain("null_rope")), path)
    for name, (rope, fields) in ROPES.items():
        path = folder.config(name, model, **new_style(rope), **fields)
        family.variant(name, model, path, bf16=name in ("yarn", "llama3"))
        for key in ("rope_type", "type"):
            path = folder.config(
                f"{name}_old_{key}", model, drop=("rope_parameters",), **old_style(rope, key), **fields
            )
        folder.case(f"LlamaForCausalLM_{name}_old", family.lm, model, Step(plain(f"{name}_old", 10)), path)


def make_llama():
    family = Family("llama", "Llama")
    model = family.heads()
    rope_cases(family, family.model("rope", "ForCausalLM", **ROPE_MODEL))
    weights = {
        "mha": {"num_key_value_heads": 4},
        "mqa": {"num_key_value_heads": 1},
        "biases": {"attention_bias": True, "mlp_bias": True},
        "head_dim": {"head_dim": 6},
        "tied": {"tie_word_embeddings": True},
    }
    for name, fields in weights.items():
        folder = family.model(name, "ForCausalLM", **fields)
        family.variant(name, folder, bf16=name == "biases", full=True)
    for act in ("gelu", "relu", "gelu_pytorch_tanh"):
        path = family.folder.config(f"act_{act}", model, hidden_act=act)
        family.folder.case(f"LlamaForCausalLM_act_{act}", family.lm, model, Step(plain(act)), path)
    path = family.folder.config("eps", model, rms_norm_eps=0.1)
    family.folder.case("LlamaForCausalLM_eps", family.lm, model, Step(plain("eps")), path)
    return family.folder


def make_mistral():
    family = Family("mistral", "Mistral", sliding_window=4)
    model = family.heads()
    path = family.folder.config("no_window", model, sliding_window=None)
    family.variant("no_window", model, path)
    family.variant("window", model, bf16=True, full=True)
    path = family.folder.config("wide_window", model, sliding_window=64)
    family.variant("wide_window", model, path)
    family.variant("head_dim", family.model("head_dim", "ForCausalLM", head_dim=6, tie_word_embeddings=True))
    return family.folder


def window_cases(family, model):
    """Sliding windows in the upper layers, by count, by list, and switched off."""
    folder = family.folder
    drop = ("layer_types",)
    layers = {"window_upper": 1, "window_all": 0, "window_none": 2}
    for name, first in layers.items():
        path = folder.config(name, model, drop, use_sliding_window=True, sliding_window=4, max_window_layers=first)
        family.variant(name, model, path)
    path = folder.config(
        "layer_types",
        model,
        use_sliding_window=True,
        sliding_window=4,
        max_window_layers=28,
        layer_types=["sliding_attention", "full_attention"],
    )
    family.variant("layer_types", model, path, bf16=True, full=True)
    path = folder.config("window_off", model, drop, use_sliding_window=False, sliding_window=4, max_window_layers=0)
    family.variant("window_off", model, path)
    path = folder.config("yarn", model, **new_style(YARN))
    family.variant("yarn", model, path)
    family.variant("tied", family.model("tied", "ForCausalLM", tie_word_embeddings=True))


def make_qwen2():
    family = Family("qwen2", "Qwen2")
    window_cases(family, family.heads())
    return family.folder


def make_qwen3():
    family = Family("qwen3", "Qwen3", head_dim=6)
    window_cases(family, family.heads())
    family.variant("biases", family.model("biases", "ForCausalLM", attention_bias=True))
    return family.folder
