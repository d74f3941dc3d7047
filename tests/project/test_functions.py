"""Functions are short, and no two of them say the same thing at length."""

import ast
import functools
import keyword
import re
from collections import defaultdict
from pathlib import Path

import pytest

import skgd

PACKAGE = Path(skgd.__file__).parent
MODULES = {
    path.relative_to(PACKAGE).as_posix(): path.read_text()
    for path in sorted(PACKAGE.rglob("*.py"))
}
FUNCTIONS = ast.FunctionDef, ast.AsyncFunctionDef

# Lines of a function from `def` to its end: the signature counts, and so do comments,
# blank lines and functions inside; decorators and docstrings do not.
MOST_LINES = 60


def docstring(function):
    """Its lines."""
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is None:
        return range(0)
    return range(first.lineno, first.end_lineno + 1)


@functools.cache
def statements(source):
    """All of them, those outside before those inside."""
    found = [ast.parse(source)]
    for node in found:
        found += filter(is_no_expression, ast.iter_child_nodes(node))
    return found


def is_no_expression(node):
    return isinstance(node, ast.stmt | ast.excepthandler | ast.match_case)


def functions(source):
    return [node for node in statements(source) if isinstance(node, FUNCTIONS)]


def length(function):
    return function.end_lineno - function.lineno + 1 - len(docstring(function))


def test_functions_are_short():
    long = {
        f"{name}:{function.name}"
        for name, source in MODULES.items()
        for function in functions(source)
        if length(function) > MOST_LINES
    }
    assert not long


def shape(line):
    """A line without its names and values."""
    line = re.sub(r"""[rbf]*("[^"]*"|'[^']*')""", "0", line)
    line = re.sub(r"\b\d[\w.]*", "0", line)
    return re.sub(
        r"\b[A-Za-z_]\w*", lambda m: m[0] if keyword.iskeyword(m[0]) else "x", line
    )


def logic(source, normalised):
    """(function, line number, text) of each line that does something in a function.

    Signatures, docstrings, imports, comments and lone brackets do nothing.
    """
    owner, left_out = {}, set()
    # A line belongs to the innermost function.
    for function in functions(source):
        body = function.body[0].lineno
        owner |= dict.fromkeys(range(body, function.end_lineno + 1), function.name)
        first = min([function, *function.decorator_list], key=lambda node: node.lineno)
        left_out |= {*range(first.lineno, body), *docstring(function)}
    for node in statements(source):
        if isinstance(node, ast.Import | ast.ImportFrom):
            left_out |= {*range(node.lineno, node.end_lineno + 1)}
    for number, line in enumerate(source.splitlines(), 1):
        text = line.partition("  # ")[0].strip()
        does = re.search(r"\w", text) and not text.startswith("#")
        if does and number in owner and number not in left_out:
            yield owner[number], number, normalised(text)


def shared(modules, n_lines, normalised):
    """Pairs of places, in different functions or not, that share so many lines."""
    places = defaultdict(list)
    for name, source in modules.items():
        lines = list(logic(source, normalised))
        for i in range(len(lines) - n_lines + 1):
            owners, numbers, texts = zip(*lines[i : i + n_lines], strict=True)
            if len(set(owners)) == 1:
                places[texts].append((f"{name}:{numbers[0]} {owners[0]}", name, i))
    pairs = set()
    for found in places.values():
        for k, (one, name, i) in enumerate(found):
            for other, its_name, j in found[k + 1 :]:
                # A run may repeat itself: those that overlap are one place.
                if its_name != name or j - i >= n_lines:
                    pairs.add((one, other))
    return pairs


# The same lines, and more of them where only names and values differ.
MOST_SHARED = [(8, str), (12, shape)]


@pytest.mark.parametrize("n_lines, normalised", MOST_SHARED)
def test_functions_do_not_share_logic(n_lines, normalised):
    assert not shared(MODULES, n_lines, normalised)


def function_of(n_lines, name="x"):
    body = "\n".join(f"    {name} = {name} + {k} * {name}" for k in range(n_lines))
    return f'def f({name}):\n    """Of {name}."""\n{body}\n'


@pytest.mark.parametrize("n_lines, normalised", MOST_SHARED)
def test_shared_logic_is_found(n_lines, normalised):
    modules = {"a": function_of(n_lines), "b": function_of(n_lines)}
    assert shared(modules, n_lines, normalised) == {("a:3 f", "b:3 f")}
    assert not shared(modules | {"b": function_of(n_lines - 1)}, n_lines, normalised)
    renamed = modules | {"b": function_of(n_lines, "y")}
    assert bool(shared(renamed, n_lines, normalised)) == (normalised is shape)


def test_length_leaves_the_docstring_out():
    (function,) = functions(function_of(5))
    assert length(function) == 6
