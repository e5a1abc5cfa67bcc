"""YAML as Pulumi reads it; the values were taken from `pulumi config get` of 3.274.1."""

import json

import pytest

from headscale_component.stack_file.documents import parse_text, plain
from headscale_component.stack_file.go_yaml import UnreadableError, read_yaml

SCALARS = {
    "yes": "yes",
    "no": "no",
    "on": "on",
    "y": "y",
    "True": True,
    "FALSE": False,
    "~": None,
    "Null": None,
    "''": "",
    "017": 15,
    "0o17": 15,
    "08": 8,
    "0x1F": 31,
    "0b101": 5,
    "-0x10": -16,
    "1_000": 1000,
    "+12": 12,
    "! 12": 12,
    "1e3": 1000,
    "1.0": 1,
    "-0.0": 0,
    ".5": 0.5,
    "1e20": 100000000000000000000,
    "1e21": 1e21,
    "1e-7": 1e-7,
    "1e999": "1e999",
    "9223372036854775807": 9223372036854775807,
    "9223372036854775808": 9223372036854776000,
    "18446744073709551615": 18446744073709552000,
    "99999999999999999999": 100000000000000000000,
    "190:20:30": "190:20:30",
    ".inf-": ".inf-",
    "=": "=",
    "!!str 5": "5",
    '!!int "7"': 7,
    "!!float 5": 5,
    "!foo x": "x",
    "!!binary aGVsbG8=": "hello",
    "2024-01-01": "2024-01-01 00:00:00 +0000 UTC",
    '"2024-01-01"': "2024-01-01",
    "2024-1-2 3:4:5": "2024-01-02 03:04:05 +0000 UTC",
    "2024-01-01T10:00:00.120Z": "2024-01-01 10:00:00.12 +0000 UTC",
    "2024-01-01T10:00:00+00:00": "2024-01-01 10:00:00 +0000 UTC",
    "0000-02-29": "0000-02-29 00:00:00 +0000 UTC",
    "2024-13-01": "2024-13-01",
    "2024-02-30": "2024-02-30",
    "2024-01-01 10:00:00Z": "2024-01-01 10:00:00Z",
}


@pytest.mark.parametrize(("text", "value"), SCALARS.items())
def test_scalar_is_what_pulumi_makes_of_it(text, value):
    found = plain(read_yaml(f"a: {text}"))["a"]

    assert (type(found), found) == (type(value), value)


KEYS = {
    "no": "no",
    "123": "123",
    "0x10": "16",
    "1.50": "1.5",
    "1.0": "1",
    "1e6": "1e+06",
    "-0.0": "0",
    "1e20": "1e+20",
    "0.00001": "1e-05",
    "-1234567.5": "-1.2345675e+06",
    "true": "true",
    "~": "<nil>",
    "2024-01-01": "2024-01-01 00:00:00 +0000 UTC",
}


@pytest.mark.parametrize(("text", "key"), KEYS.items())
def test_key_is_a_text_whatever_it_looks_like(text, key):
    assert plain(read_yaml(f"{{{text}: 1}}")) == {key: 1}


DOCUMENTS = {
    "only the first document counts": ("a: 1\n---\nb: [", {"a": 1}),
    "an anchor may be used again": ("a: &p 1\nb: &p 2\nc: *p", {"a": 1, "b": 2, "c": 2}),
    "own keys win over merged ones": ("a: {<<: {x: 1, y: 2}, y: 3}", {"a": {"x": 1, "y": 3}}),
    "of merged ones the first wins": ("a: {<<: [{x: 1}, {x: 2, z: 3}]}", {"a": {"x": 1, "z": 3}}),
    "merged keys keep their spelling": ("a: {<<: {0x5: 1}, b: 2}", {"a": {"0x5": 1, "b": 2}}),
    "a merged key of nothing is left out": ("a: {<<: {~: 1}, b: 2}", {"a": {"b": 2}}),
    "of one number in two spellings the later counts": ("a: {0x1: 1, 1: 2}", {"a": {"1": 2}}),
    "a set is a mapping": ("a: !!set {x, y}", {"a": {"x": None, "y": None}}),
    "a tab behind a colon": ("a:\tb\nc: \t d", {"a": "b", "c": "d"}),
    "a tab in a text and at its end": ("a: b\tc\t\n  d\t# e", {"a": "b\tc d"}),
    "a tab behind a bar": ("a: b\nc:\t|\n  \n  d\n", {"a": "b", "c": "\nd\n"}),
    "tabs in brackets": ("a: {\n\tb:\tc,\n\td: [\n\t\te] }", {"a": {"b": "c", "d": ["e"]}}),
    "a tab behind a quote": ("'a'\t: 'b'\t", {"a": "b"}),
    "a colon before a bracket": ("a: {b:, c: d}", {"a": {"b:": None, "c": "d"}}),
    "a colon at the end of a list": ("a: [b:, c:d]", {"a": ["b:", "c:d"]}),
    "an escaped apostrophe": ('a: "\\\'"', {"a": "'"}),
    "a directive": ("%YAML 1.1\n---\na: 1", {"a": 1}),
    "an empty text": ("", None),
    "keys are sorted": ("{b: 1, a: 2}", {"a": 2, "b": 1}),
}


@pytest.mark.parametrize(("text", "value"), DOCUMENTS.values(), ids=DOCUMENTS)
def test_document_is_what_pulumi_makes_of_it(text, value):
    assert json.dumps(plain(read_yaml(text))) == json.dumps(value)


BROKEN = {
    "a key twice": (
        "a: 1\nb: 2\na: 3",
        3,
        "is written twice, the first time in line 1; join the two, or leave one out",
    ),
    "a key twice in two types": ('{1: a,\n "1": b}', 2, "is written twice, the first time in line 1"),
    "a key twice as two numbers": ("{1: a,\n 1.0: b}", 2, "is written twice, the first time in line 1"),
    "a null key twice in a merge": ("a:\n  <<: {~: 1,\n ~: 2}", 3, "is written twice, the first time in line 2"),
    "an alias as a key twice": ("a: &x 1\nb: {*x : 1,\n *x : 2}", 3, "is written twice, the first time in line 2"),
    "a recursive anchor": ("a: &p\n  b: *p", 2, "anchor `p` contains itself"),
    "a recursive list": ("a: &p [*p]", 1, "anchor `p` contains itself"),
    "an unknown anchor": ("a: 1\nb: *p", 2, "is no YAML: found undefined alias 'p'"),
    "a list for a key": ("? [a]\n: 1", 1, "has a mapping or a list for a key"),
    "a merge of a number": ("a: 1\n<<: 5", 2, "merges what is no mapping"),
    "not a number": ("a: .nan", 1, "is a number that JSON does not have"),
    "a wrong tag": ("a: !!int foo", 1, "`foo` is not what its tag `!!int` says"),
    "no base64": ("a: !!binary '?'", 1, "is no base64"),
    "no end of a list": ("a: [what", 1, "is no YAML: a bracket is not closed, or a comma is missing"),
    "no end of a text": ("a: 'x", 1, "is no YAML: a quote is not closed"),
    "no value": ("a: [", 1, "is no YAML: a value is missing, or a bracket is not closed"),
    "no indentation": ("a:\n  - b\n c: 1", 3, "is no YAML: the indentation fits nothing above"),
    "two keys in a line": ("a: b: c", 1, "is no YAML: a `:` is where no key can be; check the indentation"),
    "no quotes": ("a: @x", 1, "is no YAML: found character '@' that cannot start any token; quote the text"),
    "a control character": ("a: 1\nb: \x07", 2, "is no YAML: holds the control character 0x7"),
    "a tab behind a hyphen": ("a:\n  -\tb", 2, "is no YAML: a tab is where no value can begin"),
    "a tab that begins a block": ("a: |\n  \tb", 2, "is no YAML: a tab is where no value can begin"),
    "a tab that begins the rest of a text": ("a: b\n\tc", 2, "is no YAML: a tab is where no value can begin"),
    "a list behind a colon in brackets": (
        "a: {b:[c]}",
        1,
        "is no YAML: a bracket is not closed, or a comma is missing",
    ),
    "an escaped slash": ('a: "\\/"', 1, "is no YAML: found unknown escape character '/'; write the sign as it is"),
    "half a character": ('a: "\\ud83d"', 1, "is no YAML: found an escape of no character; write the sign as it is"),
    "two halves of a character": ('a: "\\ud83d\\ude00"', 1, "is no YAML: found an escape of no character"),
    "more than a character": ('a: "\\U00110000"', 1, "is no YAML: found an escape of no character"),
    "a directive of 1.2": (
        "%YAML 1.2\n---\na: 1",
        1,
        "is no YAML: Pulumi reads no `%YAML` but 1.1; leave the line out",
    ),
    "a tab": ("a:\n\tb: 1", 2, "is no YAML: a tab is where no value can begin; indent by spaces"),
}


@pytest.mark.parametrize(("text", "line", "message"), BROKEN.values(), ids=BROKEN)
def test_text_that_pulumi_refuses_is_refused(text, line, message):
    with pytest.raises(UnreadableError) as error:
        read_yaml(text)

    (fault,) = error.value.faults
    assert fault.line == line
    assert fault.message.startswith(message)


def test_aliases_of_aliases_do_not_grow_forever():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]

    with pytest.raises(UnreadableError, match="too many aliases"):
        read_yaml("\n".join(lines))


def test_every_key_written_twice_is_named():
    with pytest.raises(UnreadableError) as error:
        read_yaml("a: 1\na: 2\nb:\n  c: 1\n  c: 2\n")

    assert [(fault.path, fault.line) for fault in error.value.faults] == [(("a",), 2), (("b", "c"), 5)]


NO_JSON = {
    "a word": ("yes", "is a text that is no JSON: expecting value"),
    "a key twice": ('{"a": 1, "a": 2}', "is JSON in which `a` is written twice"),
    "not a number": ('{"a": NaN}', "`NaN` is no number there"),
    "depth": ("[" * 100_000, "is nested too deeply"),
}


@pytest.mark.parametrize(("text", "message"), NO_JSON.values(), ids=NO_JSON)
def test_text_that_is_no_json_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        parse_text(text)
