"""The order of the gallery, and the look of the figures that its scripts draw by hand.

Nothing about single examples.
"""

from pathlib import Path

# Titles of the sections, and their scripts from the first step to the network.
SECTIONS = {
    "One step after the other": (
        "functions",
        "line_step_by_step",
        "slope_and_intercept",
        "three_solvers",
        "cost_per_update",
        "batch_size",
    ),
    "Rates and rules": (
        "learning_rates",
        "schedules",
        "momentum",
        "cost_surface",
        "raw_table",
    ),
    "Classes": ("perceptron_logistic", "xor", "cross_entropy"),
    "Networks": (
        "computational_graph",
        "backpropagation",
        "network_diagram",
        "digits_network",
    ),
    "At work": (
        "pipeline_grid_search",
        "choosing_alpha",
        "successive_halving",
        "early_stopping",
        "streaming",
    ),
}
ORDER = tuple(name for names in SECTIONS.values() for name in names)


class TeachingOrder:
    """Sort key: from the first step to the network.

    Parameters
    ----------
    src_dir : str
        Where the scripts are; sphinx-gallery says so.
    """

    def __init__(self, src_dir):
        self.src_dir = src_dir

    def __call__(self, filename):
        name = Path(filename).stem.removeprefix("plot_")
        return ORDER.index(name) if name in ORDER else len(ORDER)

    def __repr__(self):
        return "TeachingOrder()"


def same_look(gallery_conf, fname):
    """Figures drawn by hand look like those of ``skgd.display``."""
    import matplotlib.pyplot as plt
    from cycler import cycler

    from skgd.display._style import COLOURS

    plt.rcParams.update(
        {
            "axes.prop_cycle": cycler(color=COLOURS),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": "0.9",
        }
    )
