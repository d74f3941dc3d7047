"""
Learning-rate schedules
=======================

Start fast, end calm: a schedule multiplies the learning rate as training goes on.
"""

# %%
# The schedules that fall
# -----------------------

import matplotlib.pyplot as plt
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import scale

from skgd import GDClassifier
from skgd.display import LossCurveDisplay, ScheduleDisplay
from skgd.schedules import (
    Cosine,
    CosineRestarts,
    Cyclic,
    Exponential,
    InverseScaling,
    MultiStep,
    OneCycle,
    Polynomial,
    Step,
    Warmup,
)

ScheduleDisplay.from_schedules(
    {
        "InverseScaling()": InverseScaling(),
        "Step(20, 0.5)": Step(step_size=20, gamma=0.5),
        "MultiStep([50, 75])": MultiStep([50, 75]),
        "Exponential(0.97)": Exponential(gamma=0.97),
        "Polynomial()": Polynomial(),
        "Cosine()": Cosine(),
    }
)

# %%
# The schedules that rise first, or again
# ---------------------------------------

ScheduleDisplay.from_schedules(
    {
        "CosineRestarts(10)": CosineRestarts(period=10),
        "OneCycle()": OneCycle(),
        "Cyclic(40)": Cyclic(period=40),
        "Warmup(10, after=Cosine())": Warmup(epochs=10, after=Cosine()),
    }
)

# %%
# Any function of the step and the epoch will do, too:

ScheduleDisplay.from_schedules(
    [("by hand", lambda step, epoch: 1.0 if epoch < 30 else 0.3)]
)

# %%
# What they are good for
# ----------------------
#
# Stochastic gradient descent at a constant rate ends in a cloud around the optimum: the
# noise of single rows keeps it moving. A rate that falls lets it settle.

X, y = load_breast_cancer(return_X_y=True)
X = scale(X)
models = [
    (
        name,
        GDClassifier(
            solver="sgd",
            lr=0.3,
            lr_schedule=schedule,
            alpha=0.01,
            max_iter=40,
            tol=None,
            random_state=0,
        ).fit(X, y),
    )
    for name, schedule in [
        ("constant", "constant"),
        ("1 / root of step", "invscaling"),
        ("cosine", "cosine"),
    ]
]
LossCurveDisplay.from_estimators(models, mark_best=False)

plt.show()
