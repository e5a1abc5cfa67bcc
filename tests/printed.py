"""What the command line prints about a stack, in the words of the program: for tests that compare the two."""

import re

_PLACE = re.compile(r"(?P<path>.*?)(?P<place> \((?:[^()]+, line \d+|[^()]+\.yaml)\)): (?P<text>.*)")
_TRAILING = re.compile(r"(?P<text>.*)(?P<place> \([^()]+, line \d+\))")


def problems(printed: str) -> list[str]:
    """Return each problem as one line, as `pulumi up` prints it: `path: fault; remedy (file, line N)`.

    Args:
        printed: What went to standard error: a line `error:` for each problem, and below it perhaps a line `hint:`.
    """
    found: list[str] = []
    for line in printed.splitlines():
        kind, _, text = line.partition(": ")
        assert kind in {"error", "hint"}, line
        if kind == "error":
            found.append(_at_the_end(text))
        else:
            found[-1] = _before_the_place(found[-1], text)
    return found


def _at_the_end(text: str) -> str:
    match = _PLACE.fullmatch(text)
    return f"{match['path']}: {match['text']}{match['place']}" if match else text


def _before_the_place(problem: str, hint: str) -> str:
    match = _TRAILING.fullmatch(problem)
    return f"{match['text']}; {hint}{match['place']}" if match else f"{problem}; {hint}"
