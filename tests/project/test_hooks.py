"""Every method that subclasses of the base provide is documented as such."""

import ast
import inspect

import pytest

from skgd import MLPGD, GDClassifier, GDRegressor
from skgd._cluster import fit, shards
from skgd._estimator import base, one_pass
from skgd._estimator.base import BaseGD
from skgd._estimator.hooks import Hooks
from skgd._stream import fit_batches

DOCUMENTED = {name for name, value in vars(Hooks).items() if inspect.isfunction(value)}
DOCUMENTED -= {"__init__", "__subclasshook__", "_no_init_or_replace_init"}
SUBCLASSES = {
    cls
    for estimator in (GDRegressor, GDClassifier, MLPGD)
    for cls in estimator.mro()
    if issubclass(cls, BaseGD) and cls is not BaseGD
}


def is_private(name):
    return name.startswith("_") and not name.startswith("__")


def asked_for(module, whom):
    """Private methods of `whom` (a variable) that a module calls."""
    calls = (
        node.func
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    )
    return {
        call.attr
        for call in calls
        if isinstance(call.value, ast.Name)
        and call.value.id == whom
        and is_private(call.attr)
    }


def test_every_hook_is_documented():
    provided = {name for cls in SUBCLASSES for name in vars(cls) if is_private(name)}
    provided -= {"_validate_params"}  # scikit-learn's
    called = asked_for(base, "self") | asked_for(one_pass, "self")
    for module in (fit_batches, fit, shards):
        called |= asked_for(module, "estimator")
    overridden = provided & (called | vars(BaseGD).keys())
    hooks = {name for name in overridden if callable(getattr(MLPGD, name))}
    assert hooks == DOCUMENTED


@pytest.mark.parametrize("name", sorted(DOCUMENTED))
def test_hooks_fit_their_documentation(name):
    """The same arguments everywhere, and a default or an estimator's own method."""
    documented = inspect.signature(getattr(Hooks, name))
    assert inspect.getdoc(getattr(Hooks, name))
    required = "Required." in inspect.getdoc(getattr(Hooks, name))
    default = vars(BaseGD).get(name)
    if required and default is not None:
        with pytest.raises(NotImplementedError):
            default(*documented.parameters)
    assert required or default is not None
    for estimator in (GDRegressor, GDClassifier, MLPGD):
        method = inspect.signature(getattr(estimator, name))
        _, *expected = documented.parameters
        _, *found = method.parameters
        assert found == expected, estimator


MODELS = ("_linear", "_network", "LinearModel", "Network", "coef_", "hidden_layer")


def test_the_base_knows_no_model():
    tree = ast.parse(inspect.getsource(base))
    names = {
        getattr(node, field)
        for node in ast.walk(tree)
        for field in ("id", "attr", "module", "name")
        if isinstance(getattr(node, field, None), str)
    }
    assert not [name for name in names if any(word in name for word in MODELS)]
