"""GraphDisplay: a formula as a graph, with values forwards and derivatives backwards.

The graph is computed in ``_expression.py``; here it is laid out and drawn.
"""

from typing import Any, Self

from skgd.display import _style
from skgd.display._expression import graph_of


class GraphDisplay:
    """The computational graph of a formula: forward pass and backpropagation.

    Values stand in the nodes. On each edge stands the derivative of the result by the
    value at its start, as far as it comes back along this edge: the derivative at the
    end of the edge times that of the operation there, which is the chain rule.

    Parameters
    ----------
    expression : str
        The formula.
    variables : dict of str to float
        The values it is computed at.
    nodes : list
        The graph.

    Attributes
    ----------
    value : float
        The result.
    derivatives : dict of str to float
        Derivative of the result by each variable.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    texts_ : list of matplotlib Text

    Examples
    --------
    The network z = (w2 - 2 w1) w3, forwards and backwards:

    >>> from skgd.display import GraphDisplay
    >>> display = GraphDisplay.from_expression("(w2 - 2 * w1) * w3", w1=3, w2=4, w3=5)
    >>> display.value
    -10.0
    >>> display.derivatives
    {'w1': -10.0, 'w2': 5.0, 'w3': -2.0}

    One step down the loss abs(10 - z):

    >>> loss = GraphDisplay.from_expression(
    ...     "abs(10 - (w2 - 2 * w1) * w3)", w1=3, w2=4, w3=5
    ... )
    >>> after = loss.step(0.01)
    >>> {name: round(value, 2) for name, value in after.variables.items()}
    {'w1': 2.9, 'w2': 4.05, 'w3': 4.98}
    >>> loss.value, round(after.value, 3)
    (20.0, 18.715)
    """

    def __init__(self, *, expression: str, variables: Any, nodes: Any) -> None:
        self.expression = expression
        self.variables = variables
        self.nodes = nodes

    @classmethod
    def from_expression(
        cls, expression: str, *, ax: Any = None, draw: bool = True, **variables: float
    ) -> Self:
        """The graph of a formula at given values.

        Parameters
        ----------
        expression : str
            Of numbers, names, ``+ - * / **``, and ``abs``, ``exp``, ``log``, ``sqrt``,
            ``sin``, ``cos``, ``tanh``, ``sigmoid`` and ``relu``.
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.
        draw : bool, default=True
            Whether to draw at once.
        **variables : float
            The value of each name.

        Returns
        -------
        GraphDisplay

        Raises
        ------
        ValueError
            If the formula has anything else in it, or a name without a value.
        """
        nodes = graph_of(expression, variables)
        values = {name: float(value) for name, value in variables.items()}
        display = cls(expression=expression, variables=values, nodes=nodes)
        return display.plot(ax=ax) if draw else display

    @property
    def value(self) -> float:
        """The result."""
        return float(self.nodes[-1].value)

    @property
    def derivatives(self) -> dict[str, float]:
        """Derivative of the result by each variable."""
        found = {
            node.label: float(node.derivative)
            for node in self.nodes
            if node.kind == "variable"
        }
        return {name: found.get(name, 0.0) for name in self.variables}

    def step(self, lr: float) -> Self:
        """The graph after one step of gradient descent; not drawn yet.

        Parameters
        ----------
        lr : float
            Learning rate.

        Returns
        -------
        GraphDisplay
        """
        slopes = self.derivatives
        moved = {
            name: value - lr * slopes[name] for name, value in self.variables.items()
        }
        return type(self).from_expression(self.expression, draw=False, **moved)

    def plot(
        self, ax: Any = None, *, derivatives: bool = True, digits: int = 4
    ) -> Self:
        """Draw the graph, from the variables on the left to the result.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.
        derivatives : bool, default=True
            Whether to write the derivatives on the edges; without them it is the
            forward pass alone.
        digits : int, default=4
            Significant digits of the numbers.

        Returns
        -------
        self : GraphDisplay
        """
        places = self._places()
        width = 1 + max(x for x, _ in places)
        height = max(y for _, y in places) - min(y for _, y in places)
        size = (1.9 * width + 0.4, 1.15 * (height + 1) + 0.5)
        ax = _style.new_axes(ax, f"{type(self).__name__}.plot", size=size)
        self.texts_: list[Any] = []
        for place, node in zip(places, self.nodes, strict=True):
            for i, slope in zip(node.inputs, node.slopes, strict=True):
                constant = self.nodes[i].kind == "constant"
                back = None if constant else node.derivative * slope
                self._edge(ax, places[i], place, back if derivatives else None, digits)
        for place, node in zip(places, self.nodes, strict=True):
            self._node(ax, place, node, digits)
        ys = [y for _, y in places]
        ax.set(xlim=(-0.5, width - 0.5), ylim=(min(ys) - 0.62, max(ys) + 0.62))
        ax.set_axis_off()
        title = self.expression.replace("**", "^").replace("*", "·")
        ax.set_title(f"{title} = {_number(self.value, digits)}", fontsize=11)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _places(self):
        """Columns by distance from the result, rows by the order in the formula."""
        after = {}
        for k in range(len(self.nodes) - 1, -1, -1):
            after.setdefault(k, 0)
            for i in self.nodes[k].inputs:
                after[i] = max(after.get(i, 0), after[k] + 1)
        last = max(after.values())
        rows: dict[int, float] = {}
        leaves = 0
        for k, node in enumerate(self.nodes):
            if node.inputs:
                rows[k] = sum(rows[i] for i in node.inputs) / len(node.inputs)
            else:
                rows[k] = float(-leaves)
                leaves += 1
        return [(float(last - after[k]), rows[k]) for k in range(len(self.nodes))]

    def _node(self, ax, place, node, digits):
        from matplotlib.patches import Circle

        fill = {"variable": "#cfe3f3", "constant": "#eeeeee", "operation": "#ffffff"}
        ax.add_patch(
            Circle(
                place, 0.3, facecolor=fill[node.kind], edgecolor=_style.GREY, zorder=3
            )
        )
        value = _number(node.value, digits)
        text = node.label if node.kind == "constant" else f"{node.label}\n{value}"
        self.texts_.append(
            ax.text(*place, text, ha="center", va="center", fontsize=9.5, zorder=4)
        )
        ax.set_aspect("equal")

    def _edge(self, ax, start, end, back, digits):
        ax.annotate(
            "",
            xy=end,
            xytext=start,
            arrowprops={
                "arrowstyle": "-|>",
                "color": _style.GREY,
                "shrinkA": 20,
                "shrinkB": 20,
            },
            zorder=1,
        )
        if back is None:
            return
        share = 0.5
        x = start[0] + share * (end[0] - start[0])
        y = start[1] + share * (end[1] - start[1])
        self.texts_.append(
            ax.text(
                x,
                y,
                _number(back, digits),
                ha="center",
                va="center",
                fontsize=9,
                color=_style.COLOURS[0],
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0},
                zorder=2,
            )
        )


def _number(value, digits):
    return f"{value:.{digits}g}".replace("-", "−")
