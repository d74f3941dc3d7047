"""Results as Markdown and JSON, with the versions and the hardware they are for."""

import importlib.metadata
import json
import os
import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path

PACKAGES = (
    "skgd",
    "numpy",
    "scipy",
    "numba",
    "scikit-learn",
    "mlxtend",
    "river",
    "vowpalwabbit",
    "skglm",
    "torch",
    "pandas",
)


@dataclass
class Table:
    """One table of a suite.

    Attributes
    ----------
    title : str
    rows : list of dict of str to str or number
        The keys are the columns; None stands for what was not reached.
    note : str
        What is measured, and what was left out and why.
    missing : list of str
        Peers that are not installed.
    """

    title: str
    rows: list
    note: str = ""
    missing: list = field(default_factory=list)

    def markdown(self):
        """The table as Markdown."""
        parts = [f"### {self.title}", self.note]
        if self.rows:
            columns = list(dict.fromkeys(key for row in self.rows for key in row))
            lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
            lines += [
                "| " + " | ".join(_shown(row.get(c, "")) for c in columns) + " |"
                for row in self.rows
            ]
            parts.append("\n".join(lines))
        if self.missing:
            parts.append(f"Not installed, left out: {', '.join(self.missing)}.")
        return "\n\n".join(part for part in parts if part) + "\n"


@dataclass
class Suite:
    """What one suite found, or the error that ended it.

    Attributes
    ----------
    name : str
    tables : list of Table
    seconds : float
        Of the whole suite.
    error : str
        Traceback, empty if there was none.
    """

    name: str
    tables: list = field(default_factory=list)
    seconds: float = 0.0
    error: str = ""

    def markdown(self):
        """The tables as Markdown, under the name of the suite."""
        parts = [f"## {self.name}\n"]
        if self.error:
            parts.append(f"Failed:\n\n```\n{self.error.rstrip()}\n```\n")
        return "\n".join(parts + [table.markdown() for table in self.tables])


def _shown(value):
    if value is None:
        return "–"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def environment():
    """Versions and hardware."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = None
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "versions": versions,
    }


def _processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.processor()


def write(suites, folder, quick=False):
    """Write ``results.md`` and ``results.json``.

    Parameters
    ----------
    suites : list of Suite
    folder : str
    quick : bool
        Whether sizes and rounds were cut down.

    Returns
    -------
    str
        The Markdown.
    """
    about = environment() | {"quick": quick}
    versions = ", ".join(
        f"{name} {version}" for name, version in about["versions"].items() if version
    )
    how = "everything in one run, one thread each unless a table says otherwise, "
    how += "interleaved repeats, medians. A dash stands for what was not reached."
    if quick:
        how += (
            "\n\n**A quick run: it shows that everything works, not how fast it is.**"
        )
    text = (
        f"# Benchmarks\n\nMade by `python -m benchmarks`: {how}\n\n"
        f"{about['processor']}, {about['cores']} cores, Python {about['python']}, "
        f"{versions}.\n\n" + "\n".join(suite.markdown() for suite in suites)
    )
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.md").write_text(text, encoding="utf-8")
    content = {"environment": about, "suites": [asdict(suite) for suite in suites]}
    (folder / "results.json").write_text(json.dumps(content, indent=1, default=float))
    return text
