"""The update rules of the package beside those of the plain loop."""

import reference

from skgd import optimizers

# Rules that ask for a gradient and nothing else.
ANY_GRADIENT = [
    name for name, rule in optimizers.OPTIMIZERS.items() if not rule().needs_rows
]

# Name: (rule of the estimator, callable that makes the one of the plain loop).
OPTIMIZERS = {
    "gd": (optimizers.GD(), reference.Gd),
    "momentum": (optimizers.Momentum(), reference.Momentum),
    "nesterov": (
        optimizers.Nesterov(0.8),
        lambda: reference.Momentum(0.8, nesterov=True),
    ),
    "adagrad": (optimizers.AdaGrad(), reference.AdaGrad),
    "rmsprop": (optimizers.RMSProp(), reference.RmsProp),
    "rmsprop-centred": (
        optimizers.RMSProp(0.9, momentum=0.5, centered=True),
        lambda: reference.RmsProp(0.9, momentum=0.5, centered=True),
    ),
    "adadelta": (optimizers.AdaDelta(), reference.AdaDelta),
    "adam": (optimizers.Adam(), reference.Adam),
    "amsgrad": (
        optimizers.Adam(beta_2=0.9, amsgrad=True),
        lambda: reference.Adam(0.9, amsgrad=True),
    ),
    "adamw": (
        optimizers.AdamW(weight_decay=0.5),
        lambda: reference.Adam(weight_decay=0.5),
    ),
    "nadam": (optimizers.NAdam(), reference.NAdam),
    "adamax": (optimizers.AdaMax(), reference.AdaMax),
}
