"""Pages of the reference that list what the registries hold.

A loss, rule, schedule or activation with a name is on its page because of that name:
nobody has to add it.
"""

from pathlib import Path

import skgd.activations
import skgd.losses
import skgd.optimizers
import skgd.schedules

PAGES = {
    "losses": (
        "Losses",
        """What is minimised, for one row. Pass a name, or an object to set its
constants; :doc:`/guide/losses` has them in one table.""",
        skgd.losses,
        skgd.losses.LOSSES,
    ),
    "optimizers": (
        "Optimizers",
        "How a gradient becomes an update. :doc:`/guide/rules` compares them.",
        skgd.optimizers,
        skgd.optimizers.OPTIMIZERS,
    ),
    "schedules": (
        "Schedules",
        """The factor that multiplies the learning rate. :doc:`/guide/learning_rate`
introduces them.""",
        skgd.schedules,
        skgd.schedules.SCHEDULES,
    ),
    "activations": (
        "Activations",
        "What the hidden units of a network make of their input.",
        skgd.activations,
        skgd.activations.ACTIVATIONS,
    ),
}


def page(name):
    """The text of a page: the named classes first, then the rest of the module."""
    title, introduction, module, registry = PAGES[name]
    named = [cls.__name__ for cls in registry.values()]
    others = [one for one in module.__all__ if one not in named and not one.isupper()]
    others += [one for one in module.__all__ if one in named and one not in named]
    lines = [
        title,
        "=" * len(title),
        "",
        introduction,
        "",
        ".. list-table::",
        "   :header-rows: 1",
        "",
        "   * - name",
        "     - what it is",
    ]
    for key, cls in registry.items():
        first_line = cls.__doc__.strip().splitlines()[0]
        lines += [
            f'   * - :class:`"{key}" <{module.__name__}.{cls.__name__}>`',
            f"     - {first_line}",
        ]
    lines += ["", ".. autosummary::", "   :toctree: generated", "   :nosignatures:", ""]
    lines += [f"   {module.__name__}.{one}" for one in named + others]
    return "\n".join(lines) + "\n"


def write(docs):
    """Write the pages, where they have changed, before Sphinx looks for them."""
    for name in PAGES:
        path = Path(docs) / "api" / f"{name}.rst"
        text = page(name)
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
