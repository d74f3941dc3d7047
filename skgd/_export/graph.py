"""A fitted estimator as a graph of ONNX operators.

The graph is written through two callables, so that it can become a model of its own or
a part of one that skl2onnx builds.
"""

import numpy as np

from skgd.activations import (
    ELU,
    GELU,
    Identity,
    LeakyReLU,
    Logistic,
    Mish,
    ReLU,
    SiLU,
    Tanh,
)
from skgd.losses import LogLoss, ModifiedHuber


class Graph:
    """Operators and constants, added one by one.

    Parameters
    ----------
    dtype : float32 or float64
        Precision of weights, scores and probabilities.
    add_node : callable(operator, inputs, outputs, attributes)
    add_constant : callable(name, array)
    unique : callable(prefix) -> str
        A name not used before.
    """

    def __init__(self, dtype, add_node, add_constant, unique):
        self.dtype = np.dtype(dtype)
        self._add_node = add_node
        self._add_constant = add_constant
        self._unique = unique

    def constant(self, value, dtype=None):
        """Name of a new constant."""
        name = self._unique("constant")
        self._add_constant(name, np.asarray(value, dtype or self.dtype))
        return name

    def labels(self, classes):
        """Name of the constant that holds the labels."""
        name = self._unique("classes")
        integers = are_numbers(classes)
        labels = classes.astype(np.int64) if integers else classes.astype(str)
        self._add_constant(name, labels if integers else labels.astype(object))
        return name

    def apply(self, operator, *inputs, output=None, **attributes):
        """Name of the output of a new operator."""
        output = output or self._unique("value")
        self._add_node(operator, list(inputs), [output], attributes)
        return output


def are_numbers(classes):
    """Whether labels are written as int64, as skl2onnx does; else they are strings.

    Labels in floats are whole numbers.
    """
    return classes.dtype.kind in "iubf"


def activated(graph, activation, x):
    """The activation of x.

    Raises
    ------
    ValueError
        For activations of users, and for GELU in float64, whose operator onnxruntime
        has in float32 only.
    """
    kind = type(activation)
    simple = {Logistic: "Sigmoid", Tanh: "Tanh", ReLU: "Relu"}
    if kind is Identity:
        return x
    if kind in simple:
        return graph.apply(simple[kind], x)
    if kind is SiLU:
        return graph.apply("Mul", x, graph.apply("Sigmoid", x))
    if kind is Mish:
        return graph.apply("Mul", x, graph.apply("Tanh", graph.apply("Softplus", x)))
    if kind is GELU:
        if graph.dtype != np.float32:
            raise ValueError(
                "onnxruntime has the error function, and so GELU, in float32 only: use "
                "to_onnx(dtype=np.float32)."
            )
        half = graph.apply("Mul", x, graph.constant(0.5))
        error = graph.apply("Erf", graph.apply("Mul", x, graph.constant(0.5**0.5)))
        return graph.apply("Mul", half, graph.apply("Add", error, graph.constant(1.0)))
    if kind in (LeakyReLU, ELU):
        # onnxruntime has LeakyRelu and Elu in float32 only.
        slope = graph.constant(activation.parameters()[0])
        zero = graph.constant(0.0)
        below = graph.apply("Min", x, zero)
        if kind is ELU:
            below = graph.apply("Sub", graph.apply("Exp", below), graph.constant(1.0))
        below = graph.apply("Mul", slope, below)
        return graph.apply("Add", graph.apply("Max", x, zero), below)
    raise ValueError(
        f"ONNX export knows the activations of skgd.activations, not {kind.__name__}."
    )


def scores(graph, fitted, x):
    """The output of the last layer, of an ensemble that of all members together."""
    members = [_scores_of_member(graph, fitted, layers, x) for layers in fitted.members]
    if len(members) == 1:
        return members[0]
    if fitted.averaged == "exponential":
        members = [graph.apply("Exp", z) for z in members]
        return graph.apply("Log", _mean(graph, members))
    if fitted.averaged == "softmax":
        members = [graph.apply("Softmax", z, axis=1) for z in members]
        return graph.apply("Log", _mean(graph, members))
    if fitted.averaged == "logistic":
        claims = [graph.apply("Sigmoid", z) for z in members]
        others = [graph.apply("Sigmoid", graph.apply("Neg", z)) for z in members]
        claim, other = (
            graph.apply("Log", _mean(graph, parts)) for parts in (claims, others)
        )
        return graph.apply("Sub", claim, other)
    return _mean(graph, members)


def _mean(graph, parts):
    total, *others = parts
    for part in others:
        total = graph.apply("Add", total, part)
    return graph.apply("Mul", total, graph.constant(1.0 / len(parts)))


def _scores_of_member(graph, fitted, layers, x):
    for k, (W, b) in enumerate(layers):
        x = graph.apply("MatMul", x, graph.constant(W))
        x = graph.apply("Add", x, graph.constant(b))
        if k < len(fitted.activations):
            x = activated(graph, fitted.activations[k], x)
    return x


def write_regressor(graph, fitted, x, variable):
    """From the input `x` to the output `variable`, of shape (n, n_targets)."""
    z = scores(graph, fitted, x)
    if not fitted.loss.identity_link:
        at = np.array([-1.0, 0.0, 1.0])
        if not np.allclose(fitted.loss.inverse_link(at), np.exp(at)):
            raise ValueError(
                "ONNX export knows the identity and the log link, not that of "
                f"{type(fitted.loss).__name__}."
            )
        z = graph.apply("Exp", z)
    graph.apply("Identity", z, output=variable)


def write_classifier(graph, fitted, x, label, probabilities, raw_scores=False):
    """From the input `x` to the outputs `label` and `probabilities`.

    Where the loss has no probabilities, or with `raw_scores`, the second output is the
    scores, for two classes those of both.
    """
    z = scores(graph, fitted, x)
    positive = graph.apply("Greater", z, graph.constant(0.0))
    positive = graph.apply("Cast", positive, to=_INT64)
    if fitted.is_multilabel:
        graph.apply("Identity", positive, output=label)
    else:
        if fitted.n_outputs == 1:
            index = graph.apply("Squeeze", positive, graph.constant([1], np.int64))
        else:
            index = graph.apply("ArgMax", z, axis=1, keepdims=0)
        classes = graph.labels(fitted.task.classes)
        graph.apply("Gather", classes, index, output=label)
    second = _probabilities(graph, fitted, z, raw_scores)
    graph.apply("Identity", second, output=probabilities)


def _probabilities(graph, fitted, z, raw_scores):
    single = fitted.n_outputs == 1
    if raw_scores or not fitted.loss.probabilities:
        return graph.apply("Concat", graph.apply("Neg", z), z, axis=1) if single else z
    if fitted.softmax:
        return graph.apply("Softmax", z, axis=1)
    probability = _claim(graph, fitted.loss, z)
    if single:
        other = _claim(graph, fitted.loss, graph.apply("Neg", z))
        return graph.apply("Concat", other, probability, axis=1)
    if fitted.is_multilabel:
        return probability
    # One against the rest: shares of the sum; equal ones where it is zero.
    axis = graph.constant([1], np.int64)
    total = graph.apply("ReduceSum", probability, axis, keepdims=1)
    nothing = graph.apply("Equal", total, graph.constant(0.0))
    total = graph.apply("Where", nothing, graph.constant(1.0), total)
    share = graph.apply("Div", probability, total)
    equal = graph.constant(1.0 / fitted.n_outputs)
    return graph.apply("Where", nothing, equal, share)


def _claim(graph, loss, z):
    """The probability of the positive class."""
    if type(loss) is LogLoss:
        return graph.apply("Sigmoid", z)
    if type(loss) is ModifiedHuber:
        half = graph.constant(0.5)
        p = graph.apply("Mul", graph.apply("Add", z, graph.constant(1.0)), half)
        return graph.apply("Clip", p, graph.constant(0.0), graph.constant(1.0))
    raise ValueError(
        f"ONNX export does not know the probabilities of {type(loss).__name__}."
    )


# TensorProto.INT64 of ONNX.
_INT64 = 7
