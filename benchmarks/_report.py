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
)


@dataclass
class Table:
    """One table of a suite.

    Attributes
    ----------
    title : str
    rows : list of dict of str to str or number
        All with the same keys, the columns.
    note : str
        What is measured, and what was left out and why.
    """

    title: str
    rows: list
    note: str = ""
    missing: list = field(default_factory=list)

    def markdown(self):
        """The table as Markdown."""
        if not self.rows:
            return f"### {self.title}\n\n{self.note}\n"
        columns = list(self.rows[0])
        lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
        lines += [
            "| " + " | ".join(_shown(row.get(c, "")) for c in columns) + " |"
            for row in self.rows
        ]
        parts = [f"### {self.title}", self.note, "\n".join(lines)]
        if self.missing:
            parts.append(f"Not installed, left out: {', '.join(self.missing)}.")
        return "\n\n".join(part for part in parts if part) + "\n"


def _shown(value):
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


def write(tables, folder):
    """Write ``results.md`` and ``results.json``; return the Markdown."""
    about = environment()
    versions = ", ".join(
        f"{name} {version}" for name, version in about["versions"].items() if version
    )
    text = (
        "# Benchmarks\n\nMade by `python -m benchmarks`: everything in one run, one "
        "thread each unless a table says otherwise, interleaved repeats, medians.\n\n"
        f"{about['processor']}, {about['cores']} cores, Python {about['python']}, "
        f"{versions}.\n\n" + "\n".join(table.markdown() for table in tables)
    )
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.md").write_text(text)
    content = {"environment": about, "tables": [asdict(table) for table in tables]}
    (folder / "results.json").write_text(json.dumps(content, indent=1))
    return text
