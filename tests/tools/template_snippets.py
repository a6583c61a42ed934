"""Small templates that touch each feature of the language; one list per feature."""

VARIABLES = {
    "s": "Hello, World", "u": "naïve Straße Ω 日本 🎉", "n": 7, "z": 0, "neg": -3, "f": 2.5, "t": True, "nothing": None,
    "l": [3, 1, 2], "words": ["b", "A", "c", "a"], "empty": [], "d": {"b": 1, "a": [1, 2], "items": 5},
    "people": [{"name": "Ann", "age": 31, "city": "Rome"}, {"name": "bob", "age": 25, "city": "Oslo"},
               {"name": "Cy", "age": 31, "city": "rome"}],
    "nested": [{"v": 1, "kids": [{"v": 2, "kids": []}, {"v": 3, "kids": [{"v": 4, "kids": []}]}]}],
    "html": "<b>\"x\" & 'y'</b>", "lines": "one\ntwo\r\n\nthree\n", "sp": "  pad\t\n",
}

EXPRESSIONS = """
1 + 2 * 3|7 // 2|-7 // 2|7 % -3|-7 % 3|7 / 2|6 / 3|2 ** 10|2 ** -1|2 ** 3 ** 2|-2 ** 2|1.5 + 1|7.5 // 2|-7.5 % 2|1 / 0|1 % 0
1_000 + 0x1F + 0b11 + 0o17|1e3|1.5e-7|1e16|1e15|123456789012345678.0|0.1 + 0.2|100000000000000000000.0|1.0|-0.0|.5|1.|1.e5
9223372036854775807|true + 1|True|none|None|'a' 'b' "c"|'a' ~ 1 ~ none ~ [1]|'a' + 1|'a' * 3|3 * 'ab'|'a' * -1|[1] * 3|[1] + [2]|(1,) + (2, 3)
"tab\\tnew\\nq\\"\\x41\\u00e9\\101"|'\\q'|'\\é'|'it''s'|"a\\
b"|not true|not 0 and 1|0 or 'x'|'' or none|1 and 0|1 < 2 < 3|1 < 2 > 5|1 == 1.0|'a' < 'b'|[1, 2] < [1, 3]|1 < 'a'|none < 1|true == 1|'1' == 1
1 in l|9 not in l|'ell' in s|'x' in d|'b' in d|1 in 5|'a' in none|missing|missing.x|missing[0]|missing + 1|missing ~ 'x'|missing == missing|missing is defined
missing or 'x'|missing|length|missing is none|[missing]|missing in [1]|1 in missing|not missing|missing()|-missing|'%s' % missing|missing|default('d')|nothing|default('d')|nothing|default('d', true)
s[0]|s[-1]|s[99]|s[1:4]|s[::-1]|s[::2]|s[-5:-2]|s[5:1]|s[:]|s[1:99]|s[::0]|u[2]|u[::-1]|u[1:4]|u|length|l[0]|l[-1]|l[1:]|l[::-1]|l[10]|l['a']|l.0|l[true]|l[1.5]|n[0]
d.b|d['b']|d.items|d['items']|d.missing|d['a'][1]|d.get('b')|d.get('q')|d.get('q', 9)|d.keys()|d.values()|d.items()|d|d|length|d|list|d.update({})|d.pop('b')|d.update|l.append(1)|l.append|l.copy()|l.count(1)|l.index(2)|l.index(9)
(1, 2)|()|(1,)|(1)|[1, 'a', none, true, 2.5]|{'a': 1, 2: 'x', none: [], 1.5: ()}|{'a': 1, 'a': 2}|{1: 'a', true: 'b'}|{[]: 1}|["it's", 'say "hi"', 'both \\' and "']|['\\n\\t\\\\', 'é', '\\x7f', '\\u200b', '🎉']
'yes' if n else 'no'|'yes' if z else 'no'|'yes' if z|('a' if z) ~ 'b'|1 if true else 2 if false else 3|n if n > 5|[1 if t else 2, 3]
s.upper()|s.lower()|s.title()|s.capitalize()|s.swapcase()|sp.strip()|sp.lstrip()|sp.rstrip()|'xxaxx'.strip('x')|'abc'.strip('cb')|s.split(', ')|s.split()|s.split('l', 1)|s.split(maxsplit=1)|s.rsplit('l', 1)|' a  b c '.split(' ')|' a  b c '.rsplit(none, 1)|''.split()|''.split(',')|s.split('')
s.startswith('He')|s.startswith(('x', 'H'))|s.endswith('d')|s.find('o')|s.find('o', 5)|s.find('q')|s.rfind('o')|s.index('q')|s.count('l')|s.count('')|s.replace('l', 'L')|s.replace('l', 'L', 1)|s.replace('', '-')|'-'.join(['a', 'b'])|'-'.join([1])|''.join('abc')|lines.splitlines()|lines.splitlines(true)
s.removeprefix('Hello')|s.removesuffix('d')|s.partition(', ')|s.rpartition('o')|s.partition('q')|s.rpartition('q')|'5'.zfill(3)|'-5'.zfill(4)|'a'.center(5, '*')|'ab'.center(5)|'a'.ljust(3) ~ '|'|'a'.rjust(3)|'a\\tb'.expandtabs(4)|'abc'.isalpha()|'12'.isdigit()|'a1'.isalnum()|' '.isspace()|''.isspace()|'Ab'.istitle()|'AB'.isupper()|'ab'.islower()|'x_1'.isidentifier()|'½'.isnumeric()|'²'.isdigit()|'٣'.isdecimal()
'{} {}'.format(1, 'a')|'{1} {0}'.format(1, 2)|'{a}'.format(a=1)|'{:>5}|{:<5}|{:^5}'.format('a', 'b', 'c')|'{:05d}'.format(42)|'{:.2f}'.format(3.14159)|'{:,}'.format(1234567)|'{:x} {:#x} {:b} {:o}'.format(255, 255, 5, 8)|'{:+d}'.format(5)|'{!r}'.format('a')|'{0.b}'.format(d)|'{0[b]}'.format(d)|'{{}}'.format()|'{}'.format()|'{:%}'.format(0.25)|'{:e}'.format(12345.678)|'{:10.3f}|'.format(2.5)|'{:*^9}'.format('x')|'{:{}}'.format('a', 4)|'{:g}'.format(0.0001)
'%s is %d' % ('a', 3)|'%05.2f' % 3.14159|'%x %X %o' % (255, 255, 8)|'%r' % 'a'|'%%' % ()|'%s' % 1|'%s %s' % 1|'%d' % 'a'|'%(a)s' % {'a': 1}|'%-5s|' % 'a'|'%+d' % 3|'%e' % 1234.5|'%c' % 'x'|'%5s' % 'ab'|'%.2s' % 'abc'|'%i' % 3.9|'%s' % [1]|'%s %s' % ('a', 'b', 'c')|'%g' % 1e10|'%*d' % (5, 3)
u.upper()|u.lower()|u.title()|u.capitalize()|'ß'.upper()|'ΑΣ'.lower()|'ŉ'.upper()|'ǆ'.title()|'İ'.lower()|u.swapcase()|'straße'.casefold()
n.real|f.is_integer()|n.bit_length()|(5).x|range(3)|range(3)|list|range(5, 0, -2)|list|range(0)|range(1000000)|range(2, 8)[1]|range(10)[2:8:3]|range(3)|length|3 in range(5)|range(1, 'a')
dict(a=1)|dict([('a', 1)])|dict(d, c=3)|dict([1])|namespace(a=1).a|namespace(a=1)['a']|namespace(a=1).b|namespace({'a': 2}).a|dict.fromkeys(['a', 'b'], 0)|namespace(_a=1)|cycler('a', 'b').next()|joiner('; ')()
raise_exception('boo')|lipsum is defined|range is callable|undefined_function()|s.foo()|s.__class__|s.__class__.__mro__|''.__class__.__base__|d.__class__|l.__len__()|(l|map('string')).gi_frame|raise_exception
s is string|n is string|n is number|t is number|t is integer|n is integer|f is float|f is number|t is boolean|t is true|z is false|nothing is none|d is mapping|l is mapping|l is sequence|s is sequence|d is sequence|n is sequence|l is iterable|n is iterable|missing is iterable|missing is sequence|d.items is callable
n is odd|n is even|n is divisibleby 7|n is divisibleby(2)|n is eq 7|n is ne 7|n is lt 8|n is gt 8|n is le 7|n is ge(8)|n is sameas n|none is sameas none|1 is in [1]|n is not in l|'a' is lower|'A' is upper|'upper' is filter|'nope' is filter|'odd' is test|s is not string|n is nope|n is defined and n is odd|n is equalto 7|n is greaterthan 3|1.5 is odd|'a' is odd|n is odd is defined
s|upper|s|lower|s|title|"foo-bar (baz) [qux] don't"|title|s|capitalize|sp|trim|'xax'|trim('x')|s|length|s|replace('l', 'L')|s|replace('l', 'L', 1)|n|replace('7', '8')|s|first|s|last|l|first|l|last|empty|first|empty|last|d|first|d|last|n|first|s|reverse|l|reverse|l|reverse|list|(l|map('string')|last)
l|join|l|join(', ')|people|join(', ', attribute='name')|words|sort|words|sort(case_sensitive=true)|words|sort(reverse=true)|people|sort(attribute='age')|map(attribute='name')|list|people|sort(attribute='age,name')|map(attribute='name')|list|[1, 'a']|sort|d|dictsort|{'b': 1, 'A': 2}|dictsort|{'b': 1, 'A': 2}|dictsort(true)|{'b': 1, 'A': 2}|dictsort(by='value', reverse=true)|l|dictsort
words|unique|list|words|unique(true)|list|[1, 1.0, true, 2]|unique|list|l|min|l|max|words|min|words|max|empty|min|people|min(attribute='age')|people|max(attribute='name')|l|sum|people|sum(attribute='age')|l|sum(start=10)|words|sum|empty|sum|[[1], [2]]|sum(start=[])
people|map(attribute='name')|join(',')|people|map(attribute='zip', default='-')|join(',')|people|map(attribute='zip')|list|words|map('upper')|list|words|map('replace', 'a', 'x')|list|words|map('nope')|list|words|map|list|l|map('pow')|list|people|map(attribute='name')|map('length')|sum
l|select('odd')|list|l|reject('odd')|list|[0, 1, '', 'a']|select|list|[0, 1]|reject|list|people|selectattr('age', 'gt', 30)|map(attribute='name')|list|people|rejectattr('age', 'equalto', 31)|list|length|people|selectattr('name')|list|length|people|selectattr('zip', 'defined')|list|l|select('nope')|list|l|select('in', [1, 2])|list|(l|select('odd'))|length|('x' if l|select('gt', 99) else 'y')|(l|select)[0]
l|batch(2)|list|l|batch(2, 'x')|list|l|slice(2)|list|l|slice(2, 'x')|list|[]|batch(2)|list|range(7)|slice(3)|map('list')|list|people|groupby('city')|map('first')|list|people|groupby('city', case_sensitive=true)|map(attribute='grouper')|list|people|groupby('age')|map('last')|map('length')|list|people|groupby('zip', default='-')|length|(people|groupby('age'))[0].list|length
d|items|list|missing|items|list|l|items|list|'42'|int|'42.7'|int|'x'|int|'x'|int(5)|'0x1f'|int(base=16)|'ff'|int(0, 16)|'1_0'|int|f|int|none|int|' 7 '|int|'1e3'|int|[]|int|'3.5'|float|'x'|float|'x'|float(1.5)|n|float|none|float|'inf'|float|'nan'|float|neg|abs|-2.5|abs|s|abs
2.5|round|3.5|round|2.675|round(2)|1234.5|round(-2)|2.55|round(1, 'ceil')|2.55|round(1, 'floor')|7|round|15|round(-1)|25|round(-1)|2.1|round(method='ceil')|'a'|round|1|round(1, 'up')|42|string|42|string|length|[1]|string|none|string
lines|indent|lines|indent(2)|lines|indent(2, true)|lines|indent(2, blank=true)|lines|indent('> ')|lines|indent(width=1, first=true)|n|indent|'a b c'|wordcount|u|wordcount|"don't"|wordcount|'foo bar baz qux'|truncate(9)|'foo bar baz qux'|truncate(9, true)|'foo bar baz qux'|truncate(11)|'foo bar baz qux'|truncate(9, leeway=0)|'foo bar'|truncate(3, true, '', 0)|'abc'|truncate(2)|'a'|center(5)|s|center(20)
html|e|html|escape|html|safe|html|striptags|html|forceescape|'a b/c?é&'|urlencode|{'a': 'b c', 'd': 1}|urlencode|[('x', 'y/z')]|urlencode|{'class': 'x', 'id': none, 'n': 1}|xmlattr|'%s-%s'|format('a', 1)|'%(x)s'|format(x=2)|n|pprint|'a'|pprint|s|list|d|attr('b')|s|attr('upper')|n|attr('x')|s|random(1)|s|nope|s|upper(1)|s|replace('a')|s|default(x=1)
d|tojson|l|tojson|s|tojson|u|tojson|u|tojson(ensure_ascii=true)|'🎉'|tojson(ensure_ascii=true)|html|tojson|none|tojson|true|tojson|1.5|tojson|1e100|tojson|missing|tojson|d|tojson(indent=2)|d|tojson(indent=4)|{}|tojson(indent=2)|[[]]|tojson(indent=1)|d|tojson(separators=(',', ':'))|d|tojson(sort_keys=true)|{1: 2, none: 3, true: 4, 1.5: 5}|tojson|{(1, 2): 3}|tojson|(1, 2)|tojson|d|tojson(indent=0)|d|tojson(indent='--')|d|tojson(false, 2)|'\\x01\\x7f\\b\\f'|tojson|range(2)|tojson|d.items()|tojson|namespace(a=1)|tojson|(l|map('string'))|tojson|(l|map('string')|list)|tojson|'</script>'|tojson
(n + 1)|string|-n|abs|n|float|string|length + 1|1 + n|float|s|upper|lower|l|map('string')|join('-')|upper|[n, s]|last|(s, n)|first|{'k': l}['k'][1]|{'k': {'j': 3}}.k.j|[[1, 2], [3]][0][1]|'a,b'.split(',')[1].upper()|s.split(',')[0]|length|-l[0]|+n|- -n|not not n|n is not odd|l|length > 2 and s|not (n or z)|n == 7 and f == 2.5 or z
n..x|n +|(1|[1, 2|{1}|{'a' 1}|1 2|a b|'unclosed|$|a ! b|a = 1|f(a=1, 2)|f(*l, *l)|f(**d, a=1)|l[|l[1|s.|.x|is|n is|n in|n if|if n|not|x y z|@|l[1,2]|l[1:2,3]|f(a=1, a=2)|n if n else|true = 1
"""

STATEMENTS = [
    "{% for x in l %}{{ x }}{% endfor %}", "{% for x in l if x > 1 %}{{ loop.index }}:{{ x }} {% endfor %}",
    "{% for x in empty %}a{% else %}none{% endfor %}", "{% for x in l %}{{ x }}{% else %}none{% endfor %}",
    "{% for x in l %}{% break %}{% else %}else{% endfor %}", "{% for x in l %}{% continue %}{% else %}else{% endfor %}",
    "{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.depth0 }} {% endfor %}",
    "{% for x in l %}[{{ loop.previtem }},{{ x }},{{ loop.nextitem }}]{% endfor %}",
    "{% for x in l|map('string') %}{{ loop.last }}{{ loop.length }}{{ loop.nextitem }}{% endfor %}",
    "{% for x in l %}{{ loop.cycle('a', 'b') }}{% endfor %}", "{% for x in [1, 1, 2] %}{{ loop.changed(x) }}{% endfor %}",
    "{% for x in l %}{{ loop }}{% endfor %}", "{% for x in l %}{{ loop.nope }}{% endfor %}", "{{ loop }}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "{% for k in d %}{{ k }}{% endfor %}",
    "{% for (a, b), c in [((1, 2), 3)] %}{{ a }}{{ b }}{{ c }}{% endfor %}", "{% for a, b in [(1, 2, 3)] %}{% endfor %}",
    "{% for a, b in ['xy', 'zw'] %}{{ b }}{{ a }}{% endfor %}", "{% for x in n %}{% endfor %}", "{% for x in none %}{% endfor %}",
    "{% for x in missing %}a{% else %}b{% endfor %}", "{% for c in 'aé🎉' %}{{ c }}-{% endfor %}", "{% for x in 1, 2 %}{{ x }}{% endfor %}",
    "{% for i in range(3) %}{% for j in range(2) %}{{ loop.index }}{{ i }}{{ j }} {% endfor %}{{ loop.index }}{% endfor %}",
    "{% for x in nested recursive %}<{{ x.v }}{{ loop.depth }}{{ loop(x.kids) }}>{% endfor %}",
    "{% for x in l %}{{ loop(l) }}{% endfor %}", "{% for x in l %}{% set y = x %}{% endfor %}{{ y }}",
    "{% set y = 0 %}{% for x in l %}{% set y = y + x %}{{ y }} {% endfor %}{{ y }}",
    "{% set ns = namespace(y=0) %}{% for x in l %}{% set ns.y = ns.y + x %}{% endfor %}{{ ns.y }}{{ ns }}",
    "{% set d.x = 1 %}", "{% set missing.x = 1 %}", "{% set ns = namespace() %}{% set ns._x = 1 %}",
    "{% for x in l %}{% if loop.first %}{% set q = x %}{% endif %}{{ q }};{% endfor %}",
    "{% for loop in l %}{% endfor %}", "{% for x in l %}{{ x }}{% endfor %}{{ x }}", "{% set x = 9 %}{% for x in l %}{% endfor %}{{ x }}",
    "{% if n %}a{% elif z %}b{% else %}c{% endif %}", "{% if z %}a{% elif n %}b{% else %}c{% endif %}", "{% if z %}a{% elif z %}b{% else %}c{% endif %}",
    "{% if z %}a{% endif %}", "{% if missing %}a{% endif %}", "{% if missing.x %}{% endif %}", "{% if n %}{% set w = 1 %}{% endif %}{{ w }}",
    "{% if l|select('gt', 9) %}yes{% endif %}", "{% if n: %}a{% endif %}", "{% if n, z %}a{% endif %}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}", "{% set (a, b) = l[:2] %}{{ a }}{{ b }}", "{% set a, b = 1 %}", "{% set a = 1, %}{{ a }}",
    "{% set a %}x{{ n }}y{% endset %}{{ a|length }}{{ a }}", "{% set a | upper %}x{{ s }}{% endset %}{{ a }}", "{% set a|upper|replace('X', 'Z') %}x{% endset %}{{ a }}",
    "{% set a %}{% set b = 1 %}{% endset %}{{ b }}", "{% set true = 1 %}", "{% set 1 = 1 %}", "{% set a.b.c = 1 %}", "{% set s = s ~ '!' %}{{ s }}",
    "{% macro m(a, b=2) %}{{ a }}-{{ b }}{% endmacro %}{{ m(1) }} {{ m(1, 3) }} {{ m(b=5, a=4) }} {{ m() }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=2) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, a=2) }}",
    "{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, x=3) }}", "{% macro m(a, b=a) %}{{ b }}{% endmacro %}{{ m(1) }}", "{% macro m(a=x) %}{{ a }}{% endmacro %}{% set x = 5 %}{{ m() }}",
    "{% macro m() %}{{ n }}{{ later }}{% endmacro %}{% set later = 3 %}{{ m() }}", "{% macro m(x) %}{% if x > 0 %}{{ x }}{{ m(x - 1) }}{% endif %}{% endmacro %}{{ m(3) }}",
    "{% macro m() %}{{ m2() }}{% endmacro %}{% macro m2() %}z{% endmacro %}{{ m() }}", "{% macro m() %}{% set inner = 1 %}{% endmacro %}{{ m() }}{{ inner }}",
    "{% macro m(a) %}{{ caller(a) }}!{{ caller(2) }}{% endmacro %}{% call(v) m(1) %}[{{ v }}{{ n }}]{% endcall %}", "{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}",
    "{% macro m() %}x{% endmacro %}{% call m() %}y{% endcall %}", "{% call s.upper() %}y{% endcall %}", "{% call s %}{% endcall %}", "{% macro m(a=1, b) %}{% endmacro %}",
    "{% macro m() %}a{% endmacro %}{{ m.name }}{{ m.arguments }}{{ m }}", "{% macro m(caller) %}{% endmacro %}", "{% macro m() %}{{ kwargs }}{% endmacro %}{{ m(1) }}",
    "{% for x in l %}{% macro m() %}{{ x }}{{ loop.index }}{% endmacro %}{{ m() }}{% endfor %}",
    "{% filter upper %}a{{ s }}{% endfilter %}", "{% filter replace('a', 'b')|upper %}aXa{% endfilter %}", "{% filter nope %}{% endfilter %}",
    "{% with a = 1, b = n %}{{ a }}{{ b }}{% endwith %}{{ a }}", "{% set a = 5 %}{% with a = 1, b = a %}{{ b }}{% endwith %}", "{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q }}",
    "{% generation %}a{% set g = 1 %}{% endgeneration %}{{ g }}", "{% for x in l %}{% generation %}{{ x }}{{ loop.index }}{% endgeneration %}{% endfor %}", "{% for x in l %}{% generation %}{% break %}{% endgeneration %}{% endfor %}",
    "{% break %}", "{% for x in l %}{% endfor %}{% continue %}", "{% for x in l %}{% set a %}{{ x }}{% break %}{% endset %}{% endfor %}done",
    "{% raw %}{{ x }}{% if %}{% endraw %}", "a {%- raw -%}  {{ x }}  {%- endraw -%} b", "{% raw %}\n x\n{% endraw %}\ny", "{% raw %}", "{# c #}x{# y", "a{#- c -#} b", "a {# multi\nline #}\nb", "  {# c #}  \nx",
    "  {% if n %}  \n  a\n  {% endif %}\nb", "a\n  {%- if n -%}  \n b {%- endif %} c", "a  {%+ if n %}b{% endif %}", "  {%+ if n +%}\n b{% endif %}", "{% if n -%}\n\n  a{% endif %}", "x {{- n -}} y", "x\n  {{ n }}\ny", "{{ n }}\n\n{{ n }}\n", "{{ n }}\n", "\n", "", " \n ", "{{ n }}\r\n{{ n }}\r\n",
    "{%- for x in l %}\n  {{ x }}\n{%- endfor %}\n", "\t{% set x = 1 %}\n\t{{ x }}", "a{% set x = 1 %}\n\nb", "{{ '{{' }}{{ '%}' }}", "{{ {'a': {'b': 1}}['a']['b'] }}", "{{ {'a': {}} }}", "{{-1}}", "{{+ 1}}", "{{ -1 }}", "{ { n } }", "{%if n%}a{%endif%}", "{{n}}{{ n}}", "{{ n }", "{% if n }", "}} %} #}", "{{ }}", "{% %}", "{{ n|  upper }}",
    "{{ n[:2] }}", "{{ d[::] }}", "{{ (1|map('x')) is defined }}", "{% set x = l|map %}ok", "{% set x = l|selectattr() %}{{ x|list }}", "{{ people|sort(attribute='zip')|length }}", "{{ [missing, missing]|sort }}", "{{ {'a': missing, 'b': missing}|dictsort(by='value') }}", "{{ l|sort('x') }}", "{{ l is filter }}", "{% set x = n|batch(2) %}ok", "{% set x = n|items %}ok",
    "{% for x in l %}{{ n }}{% endfor %}{% set n = 1 %}{{ n }}", "{{ n }}{% for x in l %}{{ n }}{% endfor %}{% set n = 1 %}", "{% macro m() %}{{ n }}{% endmacro %}{{ m() }}{% set n = 1 %}{{ m() }}", "{% for x in l %}{{ n }}{% endfor %}{% if z %}{% set n = 1 %}{% endif %}", "{% for x in l %}{{ n }}{% endfor %}{% if z %}{% set n = 1 %}{% else %}{% set n = 2 %}{% endif %}{{ n }}", "{% for x in l %}{{ n }}{% endfor %}{% if z %}{% set n = 1 %}{% elif t %}{% set n = 3 %}{% else %}{% set n = 2 %}{% endif %}{{ n }}", "{% for x in l %}{{ n }}{% endfor %}{% if n %}{% endif %}{% set n = 1 %}", "{% for x in l %}{{ n }}{% endfor %}{% set n = n %}", "{% for x in l %}{{ n }}{% endfor %}{% set n %}{{ n }}{% endset %}{{ n }}",
    "{% include 'x' %}", "{% if z %}{% include 'x' %}{% endif %}ok", "{% import 'x' as y %}", "{% extends 'x' %}", "{% from 'x' import y %}", "{% block a %}x{{ n }}{% endblock %}", "{% nope %}", "{% endif %}", "{% if n %}", "{% for x in l %}", "{% if n %}{% endfor %}", "{% for %}{% endfor %}", "{% for x l %}{% endfor %}", "{% set %}", "{% set x %}", "{% else %}", "{% do l.append(1) %}", "{% print n, s %}",
    "{% if z %}{{ n|nope }}{% endif %}ok", "{{ (n|nope) if z else 'ok' }}", "{% for x in empty %}{{ x|nope }}{% endfor %}", "{% if z %}{{ n is nope }}{% endif %}ok",
    "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.next() }}{{ c.reset() }}", "{% set j = joiner() %}{% for x in l %}{{ j() }}{{ x }}{% endfor %}", "{{ strftime_now('%%') }}", "{{ strftime_now('%Y')|length }}", "{% set g = l|map('string') %}{{ g|join }}{{ g|join }}", "{% set it = l|reverse %}{{ it|first }}{{ it|list }}", "{% set ns = namespace(f=false) %}{% for x in l if not ns.f %}{{ x }}{% set ns.f = true %}{% endfor %}",
    "{% set ns = namespace(a=1, b='x') %}{{ ns.a }}{{ ns.b }}{{ ns.c is defined }}", "{% set ns = namespace(d) %}{{ ns.items }}", "{% set x = namespace(y=namespace(z=1)) %}{{ x.y.z }}", "{{ d.items()|list|length }}{{ d.keys()|join(',') }}", "{% for k, v in d|dictsort %}{{ k }}{% endfor %}", "{% for p in people|sort(attribute='name', reverse=true) %}{{ p.name }}{% endfor %}", "{% for g in people|groupby('age') %}{{ g.grouper }}{{ g.list|length }}{{ g[0] }};{% endfor %}", "{% for g, ps in people|groupby('age') %}{{ g }}{{ ps|map(attribute='name')|join }};{% endfor %}",
    "{{ [1,\n 2]\n}}", "{{ n\n}}\nz", "{% set x = {\n'a': 1,\n} %}{{ x }}", "{{ [1, 2, ] }}", "{{ dict(a=1,) }}", "{% set f = s.upper %}{{ f() }}", "{{ s['upper']() }}", "{{ people[0]['name'][0] }}", "{{ people[-1].name.lower() }}", "{{ [x for x in l] }}", "{{ lambda: 1 }}", "{{ 'a' if n else }}", "{{ n ?? 1 }}", "{{ range(3)[-1] }}", "{{ (1, 2) + [3] }}", "{{ f(*[1]) }}", "{{ dict(*[[('a', 1)]], **{'b': 2}) }}", "{{ '{}'.format(*l) }}{{ '{a}'.format(**{'a': 4}) }}",
]


def snippets():
    """All templates; a bar in a row of expressions separates two, unless it is the mark of a filter or within quotes."""
    pieces, filters = [], set()
    from jinja2.filters import FILTERS

    filters.update(FILTERS, {"tojson", "nope", "pow"})
    for row in EXPRESSIONS.strip().split("\n"):
        current = None
        for part in row.split("|"):
            name = part.split("(")[0].split(" ")[0].split(")")[0].split("[")[0].split(",")[0].strip()
            quotes_open = current is not None and current.count("'") % 2 == 1
            if current is not None and (quotes_open or name in filters):
                current += "|" + part
            else:
                if current is not None:
                    pieces.append(current)
                current = part
        pieces.append(current)
    return ["{{ " + piece + " }}" for piece in dict.fromkeys(pieces)] + STATEMENTS
