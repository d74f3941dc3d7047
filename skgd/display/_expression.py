"""A formula as a graph: its values forwards, its derivatives backwards.

The formula is parsed by Python and never run as code.
"""

import ast
import math
from dataclasses import dataclass, field

# Sign, value, and derivatives by each input, given the inputs and the value.
BINARY = {
    ast.Add: ("+", lambda a, b: a + b, lambda a, b, v: (1.0, 1.0)),
    ast.Sub: ("−", lambda a, b: a - b, lambda a, b, v: (1.0, -1.0)),
    ast.Mult: ("×", lambda a, b: a * b, lambda a, b, v: (b, a)),
    ast.Div: ("÷", lambda a, b: a / b, lambda a, b, v: (1.0 / b, -a / b**2)),
    ast.Pow: (
        "^",
        lambda a, b: a**b,
        lambda a, b, v: (b * a ** (b - 1), v * math.log(a) if a > 0 else math.nan),
    ),
}


def _sigmoid(a):
    return 0.5 * (1.0 + math.tanh(0.5 * a))


FUNCTIONS = {
    "abs": (abs, lambda a, v: float(math.copysign(1.0, a)) if a else 0.0),
    "exp": (math.exp, lambda a, v: v),
    "log": (math.log, lambda a, v: 1.0 / a),
    "sqrt": (math.sqrt, lambda a, v: 0.5 / v),
    "sin": (math.sin, lambda a, v: math.cos(a)),
    "cos": (math.cos, lambda a, v: -math.sin(a)),
    "tanh": (math.tanh, lambda a, v: 1.0 - v * v),
    "sigmoid": (_sigmoid, lambda a, v: v * (1.0 - v)),
    "relu": (lambda a: max(a, 0.0), lambda a, v: 1.0 if a > 0 else 0.0),
}


@dataclass
class Node:
    """One number of the graph.

    Attributes
    ----------
    label : str
        A name, a constant, or what is computed.
    kind : {"variable", "constant", "operation"}
    value : float
    inputs : list of int
        Numbers of the nodes that it is computed from.
    slopes : list of float
        Its derivative by each of them.
    derivative : float
        That of the whole formula by this node.
    depth : int
        Longest way from a variable or constant.
    """

    label: str
    kind: str
    value: float
    inputs: list = field(default_factory=list)
    slopes: list = field(default_factory=list)
    derivative: float = 0.0
    depth: int = 0


def graph_of(expression, variables):
    """The nodes of a formula in the order of computation, the result last.

    Parameters
    ----------
    expression : str
        Of numbers, names, ``+ - * / **`` and the functions in `FUNCTIONS`.
    variables : dict of str to float

    Returns
    -------
    list of Node

    Raises
    ------
    ValueError
        For anything else.
    """
    try:
        tree = ast.parse(expression, mode="eval").body
    except SyntaxError:
        raise ValueError(f"{expression!r} is no formula.") from None
    nodes, place = [], {}

    def add(node):
        node.depth = 1 + max((nodes[i].depth for i in node.inputs), default=-1)
        nodes.append(node)
        return len(nodes) - 1

    def visit(part):
        if isinstance(part, ast.Constant) and isinstance(part.value, (int, float)):
            return add(Node(f"{part.value:g}", "constant", float(part.value)))
        if isinstance(part, ast.Name):
            if part.id not in variables:
                raise ValueError(
                    f"The formula has {part.id!r}, but only "
                    f"{', '.join(map(repr, variables))} have values."
                )
            if part.id not in place:
                value = float(variables[part.id])
                place[part.id] = add(Node(part.id, "variable", value))
            return place[part.id]
        if isinstance(part, ast.UnaryOp) and isinstance(part.op, ast.USub):
            i = visit(part.operand)
            return add(Node("−", "operation", -nodes[i].value, [i], [-1.0]))
        if isinstance(part, ast.BinOp) and type(part.op) in BINARY:
            sign, value_of, slopes_of = BINARY[type(part.op)]
            inputs = [visit(part.left), visit(part.right)]
            a, b = (nodes[i].value for i in inputs)
            value = value_of(a, b)
            slopes = list(slopes_of(a, b, value))
            return add(Node(sign, "operation", value, inputs, slopes))
        if (
            isinstance(part, ast.Call)
            and isinstance(part.func, ast.Name)
            and part.func.id in FUNCTIONS
            and len(part.args) == 1
            and not part.keywords
        ):
            value_of, slope_of = FUNCTIONS[part.func.id]
            i = visit(part.args[0])
            value = value_of(nodes[i].value)
            slopes = [slope_of(nodes[i].value, value)]
            return add(Node(part.func.id, "operation", value, [i], slopes))
        raise ValueError(
            f"{ast.unparse(part)!r} is none of: a number, a name, + - * / **, and "
            f"{', '.join(FUNCTIONS)} of one argument."
        )

    last = visit(tree)
    nodes[last].derivative = 1.0
    for node in reversed(nodes):
        for i, slope in zip(node.inputs, node.slopes, strict=True):
            # Backpropagation: the derivative comes back along each edge.
            if nodes[i].kind != "constant":
                nodes[i].derivative += node.derivative * slope
    return nodes
