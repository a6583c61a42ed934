"""Random templates, rendered by the reference, for the test that compares the cases of a file.

python tests/tools/fuzz_templates.py SEED COUNT > cases.jsonl
TRANSFORMERS_TEMPLATE_CASES=cases.jsonl tokenizers_tests --gtest_filter='ChatTemplate.*CasesOfAFile'
"""

import json
import random
import sys

from jinja2.filters import FILTERS
from jinja2.tests import TESTS

from jinja_reference import render
from template_snippets import VARIABLES, snippets

NAMES = list(VARIABLES) + ["missing", "x", "ns", "loop"]
LEFT_OUT = {"random", "urlize", "wordwrap", "filesizeformat", "pprint", "striptags", "e", "escape", "forceescape", "safe", "xmlattr"}
FILTER_NAMES = sorted(set(FILTERS) - LEFT_OUT)
TEST_NAMES = sorted(name for name in TESTS if name.isidentifier() and name not in ("escaped", "sameas"))
METHODS = ["upper", "lower", "strip", "split", "title", "items", "keys", "values", "get", "splitlines", "startswith", "find",
           "replace", "join", "count", "index", "rsplit", "lstrip", "append", "partition", "format", "zfill", "capitalize"]
KEYWORDS = ["attribute", "reverse", "default", "first", "indent", "boolean", "case_sensitive", "width", "start"]
LITERALS = ["0", "1", "2", "-1", "3", "7", "2.5", "0.1", "1e20", "''", "'a'", "'l'", "' b '", "'é🎉'", "\"it's\"", "'%s'", "'{}'", "'name'", "'age'",
            "true", "false", "none", "[]", "{}", "()", "[1, 'a']", "'x\\ny'"]
BINARY = ["+", "-", "*", "/", "//", "%", "~", "==", "!=", "<", "<=", ">", ">=", "and", "or", "in", "not in"]


class Maker:
    def __init__(self, seed):
        self.rng = random.Random(seed)

    def pick(self, items):
        return self.rng.choice(items)

    def arguments(self, depth):
        parts = [self.expression(depth - 1) for _ in range(self.pick([0, 0, 1, 1, 2]))]
        if self.rng.random() < 0.15:
            parts.append(self.pick(KEYWORDS) + "=" + self.expression(depth - 1))
        return ", ".join(parts)

    def expression(self, depth):
        if depth <= 0:
            return self.pick(NAMES) if self.rng.random() < 0.6 else self.pick(LITERALS)
        sub = lambda: self.expression(depth - 1)
        kind = self.rng.randrange(15)
        if kind < 3:
            return f"{sub()} {self.pick(BINARY)} {sub()}"
        if kind < 6:
            name = self.pick(FILTER_NAMES)
            return f"{sub()}|{name}" + (f"({self.arguments(depth)})" if self.rng.random() < 0.4 else "") + self.pick(["", "|list"])
        if kind == 6:
            return f"{sub()} is {self.pick(['', 'not '])}{self.pick(TEST_NAMES)}" + self.pick(["", f"({sub()})", f" {self.pick(LITERALS)}"])
        if kind == 7:
            return f"{self.expression(0)}.{self.pick(METHODS)}({self.arguments(depth)})"
        if kind == 8:
            return f"{self.expression(0)}[{sub()}]"
        if kind == 9:
            part = lambda: self.pick(["", "", "0", "1", "-1", "-2", "2", "5", "n", "z"])
            return f"{self.pick(NAMES)}[{part()}:{part()}{self.pick(['', ':' + part()])}]"
        if kind == 10:
            return self.pick([f"[{sub()}, {sub()}]", f"({sub()}, {sub()})", f"{{'a': {sub()}, {sub()}: {sub()}}}"])
        if kind == 11:
            return f"({sub()})"
        if kind == 12:
            return f"{sub()} if {sub()}" + self.pick(["", f" else {sub()}"])
        if kind == 13:
            return self.pick(["not ", "-", "+"]) + sub()
        return f"people|{self.pick(['selectattr', 'map', 'rejectattr', 'groupby', 'sort', 'sum', 'max', 'unique'])}({self.pick(['', 'attribute='])}'{self.pick(['name', 'age', 'city', 'zip'])}')|list"

    def tag(self, text):
        return "{%" + self.pick(["", "", "-", "+"]) + f" {text} " + self.pick(["", "", "-", "+"]) + "%}"

    def body(self, depth):
        return "".join(self.statement(depth - 1) for _ in range(self.rng.randrange(1, 4)))

    def statement(self, depth):
        kind = self.rng.randrange(14) if depth > 0 else self.rng.randrange(4)
        space = self.pick(["", " ", "\n", "  \n", "\n  ", "text "])
        expr = self.expression(self.rng.randrange(3))
        if kind < 3:
            return space + "{{" + self.pick(["", "-"]) + f" {expr} " + self.pick(["", "-"]) + "}}" + space
        if kind == 3:
            return space + self.tag(f"set {self.pick(['x', 'n', 's', 'x, y', 'ns.a'])} = {expr}") + space
        if kind < 7:
            head = f"for {self.pick(['x', 'x', 'n', 'x, y'])} in {self.pick(['l', 'words', 'people', 'd', 'd.items()', 'nested', expr])}{self.pick(['', '', ' if x', ' if loop', ' recursive'])}"
            inside = self.body(depth) + self.pick(["", "{{ loop.index }}{{ loop.last }}", "{{ loop.nextitem }}", self.tag("if x == 1") + self.tag("break") + self.tag("endif")])
            return self.tag(head) + space + inside + self.pick(["", self.tag("else") + self.body(depth)]) + self.tag("endfor") + space
        if kind < 9:
            return self.tag(f"if {expr}") + space + self.body(depth) + self.pick(["", self.tag("else") + self.body(depth)]) + self.tag("endif") + space
        if kind == 9:
            return self.tag("macro m(x, y=n)") + self.body(depth) + self.tag("endmacro") + "{{ m(" + self.arguments(1) + ") }}"
        if kind == 10:
            return self.tag(self.pick(["set x", "set x | upper"])) + self.body(depth) + self.tag("endset") + "{{ x }}"
        if kind == 11:
            return self.tag("filter " + self.pick(["upper", "trim", "replace('a', 'b')"])) + self.body(depth) + self.tag("endfilter")
        if kind == 12:
            return self.tag(f"with x = {expr}, q = x") + self.body(depth) + self.tag("endwith")
        return self.pick(["{# c #}", "{#- c -#}", self.tag("set ns = namespace(a=1)"), self.tag("generation") + self.body(depth) + self.tag("endgeneration"),
                          "{% raw %}{{ x }}" + space + "{% endraw %}", self.tag("call m(1)") + self.body(depth) + self.tag("endcall")])

    def mutant(self, known):
        text = self.pick(known)
        for _ in range(self.rng.randrange(1, 4)):
            at, size = self.rng.randrange(len(text) + 1), self.rng.randrange(4)
            text = text[:at] + self.pick(["", " ", "\n", "-", "(", ")", "|", ".", "%}", "{{", "'", "is", "not ", self.pick(NAMES)]) + text[at + size:]
        return text

    def template(self, known):
        kind = self.rng.randrange(4)
        if kind == 0:
            return self.mutant(known)
        return "{{ " + self.expression(3) + " }}" if kind == 1 else self.body(3)


def main():
    maker, known = Maker(int(sys.argv[1])), [text for text in snippets() if "strftime" not in text and "lipsum" not in text]
    for _ in range(int(sys.argv[2])):
        template = maker.template(known)
        expected = render(template, VARIABLES)
        if expected is None or (" at 0x" not in expected and len(expected) < 10000):
            print(json.dumps({"template": template, "expected": expected, "variables": {}}))


if __name__ == "__main__":
    main()
