"""Writes tests/data/options.json: the defaults of the reference's arguments, by method.

Needs transformers 5.23.0 and sentence-transformers. Run from the repository root.
"""

import inspect
import json
import pathlib

import sentence_transformers
import transformers

METHODS = {
    "FromPretrainedOptions": transformers.PreTrainedModel.from_pretrained,
    "SavePretrainedOptions": transformers.PreTrainedModel.save_pretrained,
    "ConfigFromPretrainedOptions": transformers.PretrainedConfig.from_pretrained,
    "CallOptions": transformers.PreTrainedTokenizerBase.__call__,
    "ChatOptions": transformers.PreTrainedTokenizerBase.apply_chat_template,
    "GenerateOptions": transformers.GenerationMixin.generate,
    "EncodeOptions": sentence_transformers.SentenceTransformer.encode,
}


def defaults(method):
    parameters = inspect.signature(method).parameters.items()
    return {name: p.default for name, p in parameters if p.default is not inspect.Parameter.empty}


golden = {"transformers_version": transformers.__version__} | {name: defaults(m) for name, m in METHODS.items()}
pathlib.Path("tests/data/options.json").write_text(json.dumps(golden, indent=1, default=str) + "\n")
