"""BERT."""

import torch
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForMultipleChoice,
    BertForNextSentencePrediction,
    BertForPreTraining,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertLMHeadModel,
    BertModel,
)

from .core import VOCAB, Folder, Step, padding_mask, token_ids
from .text import BATCH, FULL, LENGTH, basics, cached, causal_lm, lm_labels, masked, padded_ids, plain
from .text import question_answering, sequence_labels, token_classifier, with_labels

HIDDEN = 16


def config(**fields):
    return BertConfig(
        **{
            "vocab_size": VOCAB,
            "hidden_size": HIDDEN,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 24,
            "max_position_embeddings": 20,
            "pad_token_id": 0,
        }
        | fields
    )


def token_types(label):
    return {"token_type_ids": token_ids(label + "/types", BATCH, LENGTH, vocab=2, low=0)}


def base_and_pretraining(folder):
    model = folder.model("BertForPreTraining", BertForPreTraining, config())
    basics(folder, BertModel, model, hidden=HIDDEN)
    label = "BertModel_types"
    folder.case(label, BertModel, model, Step(masked(label, "right") | token_types(label), FULL))
    basics(
        folder,
        BertModel,
        model,
        hidden=HIDDEN,
        name="BertModel_no_pooler",
        construct={"add_pooling_layer": False},
        kinds=("plain", "right", "full"),
    )
    for act in ("relu", "gelu_new", "silu", "gelu_pytorch_tanh", "quick_gelu", "tanh"):
        path = folder.config(f"act_{act}", model, hidden_act=act)
        folder.case(f"BertModel_act_{act}", BertModel, model, Step(plain(act)), path)
    basics(folder, BertForPreTraining, model, hidden=HIDDEN, kinds=("plain", "right", "full", "embeds", "bf16"))
    label = "BertForPreTraining_labels"
    with_labels(
        folder, BertForPreTraining, model, label, lm_labels(label) | {"next_sentence_label": torch.tensor([1, 0])}
    )
    basics(folder, BertForMaskedLM, model, hidden=HIDDEN)
    with_labels(folder, BertForMaskedLM, model, "BertForMaskedLM_labels", lm_labels("mlm"))
    basics(folder, BertForNextSentencePrediction, model, hidden=HIDDEN, kinds=("plain", "right", "full"))
    label = "BertForNextSentencePrediction_labels"
    with_labels(folder, BertForNextSentencePrediction, model, label, {"labels": torch.tensor([0, 1])})


def decoder(folder):
    model = folder.model("BertLMHeadModel", BertLMHeadModel, config(is_decoder=True))
    causal_lm(folder, BertLMHeadModel, model, HIDDEN)
    basics(folder, BertModel, model, hidden=HIDDEN, name="BertModel_decoder", construct={"add_pooling_layer": False})
    cached(folder, BertModel, model, name="BertModel_decoder", construct={"add_pooling_layer": False})


def multiple_choice(folder):
    model = folder.model("BertForMultipleChoice", BertForMultipleChoice, config())
    mask = torch.stack([padding_mask(3, 7, "right", (2, 0, 1)), padding_mask(3, 7, "right", (0, 3, 0))])
    for suffix, options in (("plain", {}), ("labels", {}), ("full", FULL)):
        label = f"BertForMultipleChoice_{suffix}"
        inputs = {"input_ids": padded_ids(label, mask), "attention_mask": mask}
        inputs = {"input_ids": token_ids(label, 2, 3, 7)} if suffix == "full" else inputs
        inputs |= {"labels": torch.tensor([2, 0])} if suffix == "labels" else {}
        folder.case(label, BertForMultipleChoice, model, Step(inputs, options))


def make():
    folder = Folder("bert")
    base_and_pretraining(folder)
    decoder(folder)
    cls = BertForSequenceClassification
    three = sequence_labels(folder, cls, lambda name, **f: folder.model(name, cls, config(**f)))
    basics(folder, cls, three, hidden=HIDDEN)
    multiple_choice(folder)
    model = folder.model("BertForTokenClassification", BertForTokenClassification, config(num_labels=3))
    token_classifier(folder, BertForTokenClassification, model, HIDDEN)
    model = folder.model("BertForQuestionAnswering", BertForQuestionAnswering, config())
    question_answering(folder, BertForQuestionAnswering, model, HIDDEN)
    return folder
