"""Every Python block of the README and of the guide runs, and prints what it says.

Also: the reference lists every public name. The gallery runs when the site is built.
"""

import doctest
import importlib
import importlib.util
import re
import warnings
from pathlib import Path

import pytest

import skgd

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "docs" / "index.rst",
    *sorted((ROOT / "docs" / "guide").glob("*.rst")),
]
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

# What public modules need that may not be there.
NEEDED = {"skgd.dask": "distributed", "skgd.ray": "ray"}

# A fenced block of a README, or an indented one under the directive, with its options.
BLOCK = re.compile(
    r"^```python\n(?P<fenced>(?s:.*?))^```"
    r"|^\.\. code-block:: python\n(?:   :.*\n)*\n(?P<indented>(?:   .*\n|\n)+)",
    re.MULTILINE,
)


def pieces(text):
    """The code of a page in order: (line number, code, whether it is a session)."""
    found = []
    for match in BLOCK.finditer(text):
        code = match["fenced"]
        if code is None:
            code = re.sub(r"^   ", "", match["indented"], flags=re.MULTILINE)
        line = text.count("\n", 0, match.start()) + 1
        found.append((line, code, ">>>" in code))
    # What is left are sessions in the open. Blanked out, so that lines keep numbers.
    rest = BLOCK.sub(lambda match: re.sub(r"[^\n]", "", match[0]), text)
    parser = doctest.DocTestParser()
    found += [(one.lineno + 1, one, True) for one in parser.get_examples(rest)]
    return sorted(found, key=lambda piece: piece[0])


def run(page):
    """Run a page from top to bottom in one namespace."""
    names = {"__name__": "__main__"}
    runner = doctest.DocTestRunner(optionflags=OPTIONS, verbose=False)
    report = []
    for line, code, is_session in pieces(page.read_text(encoding="utf-8")):
        if not is_session:
            # Padded, so that a traceback shows the line of the page.
            exec(compile("\n" * line + code, str(page), "exec"), names)
            continue
        examples = code
        if isinstance(code, str):
            examples = doctest.DocTestParser().get_examples(code)
        examples = examples if isinstance(examples, list) else [examples]
        test = doctest.DocTest(examples, names, page.name, str(page), 0, None)
        runner.run(test, out=report.append, clear_globs=False)
        names = test.globs
    assert not runner.failures, "".join(report)
    return runner.tries


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_code_runs(page, tmp_path, monkeypatch):
    if page.stem == "cluster":
        pytest.importorskip("distributed")
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        tries = run(page)

    plt.close("all")
    if page.stem not in ("index", "README", "glossary"):
        assert tries > 0


def reference_pages():
    """Text of the pages of the reference that are made from the registries."""
    path = ROOT / "docs" / "_ext" / "reference.py"
    spec = importlib.util.spec_from_file_location("reference_pages", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {name: module.page(name) for name in module.PAGES}


@pytest.mark.parametrize("name", ["losses", "optimizers", "schedules", "activations"])
def test_the_reference_has_a_line_for_every_name(name):
    module = getattr(skgd, name)
    text = reference_pages()[name]
    for key, cls in getattr(module, name.upper()).items():
        assert f'"{key}" <{module.__name__}.{cls.__name__}>' in text
        assert cls.__doc__.strip().splitlines()[0] in text


def test_a_wrong_output_is_found(tmp_path):
    page = tmp_path / "page.rst"
    page.write_text(
        "A block::\n\n.. code-block:: python\n\n   x = 2\n\n>>> x + 1\n4\n",
        encoding="utf-8",
    )
    with pytest.raises(AssertionError, match="Expected"):
        run(page)


@pytest.mark.parametrize(
    "module",
    [
        "skgd",
        "skgd.activations",
        "skgd.callbacks",
        "skgd.dask",
        "skgd.data",
        "skgd.display",
        "skgd.export",
        "skgd.losses",
        "skgd.optimizers",
        "skgd.penalties",
        "skgd.pipeline",
        "skgd.ray",
        "skgd.schedules",
        "skgd.testing",
    ],
)
def test_reference_lists_every_public_name(module):
    if module in NEEDED:
        pytest.importorskip(NEEDED[module])
    module = importlib.import_module(module)
    generated = reference_pages()
    pages = (ROOT / "docs" / "api").glob("*.rst")
    texts = [page.read_text("utf-8") for page in pages if page.stem not in generated]
    texts += generated.values()
    listed = {word for text in texts for word in text.split()}
    tables = {"LOSSES", "OPTIMIZERS", "SCHEDULES", "ACTIVATIONS", "PENALTIES"}
    names = set(module.__all__)
    for table in names & tables:
        # What has a name for users has a page.
        names |= {one.__name__ for one in getattr(module, table).values()}
    prefix = module.__name__ + "."
    names = {prefix + name for name in names - tables}
    assert names <= listed
    # And nothing is listed that is gone.
    own = {
        one
        for one in listed
        if one.startswith(prefix) and "." not in one[len(prefix) :]
    }
    assert own <= names
