"""The reference's template environment, for the scripts that compare with it."""

import json

from transformers.utils import chat_template_utils

_compile = chat_template_utils._cached_compile_jinja_template


def render(template, variables):
    """The rendered text, or None when the reference raises."""
    try:
        return _compile(template).render(**json.loads(json.dumps(variables)))
    except RecursionError:
        return None
    except Exception:
        return None
