"""What people from other libraries type, and what they mean by it here."""

from skgd._registry import did_you_mean
from skgd.activations import ACTIVATIONS
from skgd.losses import LOSSES
from skgd.optimizers import OPTIMIZERS
from skgd.penalties import PENALTIES
from skgd.schedules import SCHEDULES

# Keywords of scikit-learn, Keras and PyTorch, and what does the same here.
KEYWORDS = {
    "learning_rate": "lr=0.01 for the rate, lr_schedule='cosine' for how it changes",
    "learning_rate_init": "lr",
    "eta0": "lr",
    "eta": "lr",
    "epochs": "max_iter",
    "n_epochs": "max_iter",
    "max_epochs": "max_iter",
    "n_iter": "max_iter",
    "momentum": "optimizer=Momentum(0.9), of skgd.optimizers",
    "nesterovs_momentum": "optimizer='nesterov'",
    "nesterov": "optimizer='nesterov'",
    "beta_1": "optimizer=Adam(beta_1=0.9), of skgd.optimizers",
    "weight_decay": "alpha, or optimizer=AdamW(weight_decay=0.01)",
    "C": "alpha: with C of scikit-learn, alpha = 1 / (C * n_rows)",
    "power_t": "lr_schedule=InverseScaling(power=0.25), of skgd.schedules",
    "decay": "lr_schedule",
    "clipnorm": "clip_norm",
    "seed": "random_state",
    "hidden_layers": "hidden_layer_sizes",
    "hidden_units": "hidden_layer_sizes",
    "units": "hidden_layer_sizes",
    "patience": "n_iter_no_change",
    "epsilon": "loss=Huber(epsilon=1.35), of skgd.losses",
    "validation_split": "early_stopping=True with validation_fraction",
}

# Values that belong to another parameter, or have another name here.
VALUES = {
    ("optimizer", "sgd"): "optimizer='gd' with solver='sgd', one row for each update",
    ("solver", "gd"): "solver='batch'",
    ("solver", "full"): "solver='batch'",
    ("solver", "stochastic"): "solver='sgd'",
    ("solver", "online"): "solver='sgd'",
    ("lr", "constant"): "lr=0.01 with lr_schedule='constant'",
    ("lr", "adaptive"): "lr='auto', or lr_schedule='plateau'",
    ("lr", "optimal"): "lr='auto'",
    ("lr", "invscaling"): "lr_schedule='invscaling'",
    ("lr_schedule", "adaptive"): (
        "lr_schedule=Plateau(gamma=0.2, patience=4), of skgd.schedules, with a larger "
        "n_iter_no_change"
    ),
    ("lr_schedule", "optimal"): (
        "lr='auto', or lr=1.0 with lr_schedule=InverseTime(decay=1e-4), of "
        "skgd.schedules"
    ),
    ("loss", "huber"): "loss='modified_huber', which is for classes",
    ("loss", "epsilon_insensitive"): "loss='hinge', which is for classes",
    ("loss", "squared_epsilon_insensitive"): (
        "loss='squared_hinge', which is for classes"
    ),
    ("penalty", "none"): "penalty=None",
    ("penalty", "ridge"): "penalty='l2'",
    ("penalty", "lasso"): "penalty='l1'",
    ("activation", "softmax"): "loss='log_loss', which is softmax for several classes",
}

NAMES = {
    "loss": LOSSES,
    "optimizer": OPTIMIZERS,
    "lr_schedule": SCHEDULES,
    "activation": ACTIVATIONS,
    "penalty": PENALTIES,
    "solver": ("batch", "minibatch", "sgd"),
}


def keyword_hint(given, known):
    """What an unknown keyword of a constructor means here, as a sentence or nothing.

    Parameters
    ----------
    given : str
    known : iterable of str
        The keywords there are.
    """
    meant = KEYWORDS.get(given)
    if meant is None:
        near = did_you_mean(given, known)
        return f".{near}" if near else ""
    if meant.isidentifier() and meant not in known:
        return ""
    return f". Did you mean {meant}?"


def value_hint(name, value):
    """What a wrong string for a parameter means, as a sentence or nothing."""
    if not isinstance(value, str) or name not in {*NAMES, "lr"}:
        return ""
    plain = value.lower()
    if (name, plain) in VALUES:
        return f" Did you mean {VALUES[name, plain]}?"
    names = NAMES.get(name, ())
    for other, choices in NAMES.items():
        # A name of another parameter: solver="adam".
        find = getattr(choices, "canonical", None)
        if other != name and find is not None and find(value):
            return f" Did you mean {other}={find(value)!r}?"
    return did_you_mean(plain, names)
