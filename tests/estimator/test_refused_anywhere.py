"""Refused rows, anywhere in a stream, change nothing: not a bit, ever after."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

from skgd import MLPGD, GDClassifier, GDRegressor

pytestmark = pytest.mark.filterwarnings("ignore")

D = 4
X = np.random.default_rng(0).normal(size=(12, D))
Z = X @ [1.0, -2.0, 0.5, 0.0] + 1.0
Y = (Z > 0).astype(int)


def huge(value):
    row = X[:1].copy()
    row[0, 1] = value
    return row


BAD = {
    "NaN": lambda form: (form(huge(np.nan)), [0], {}),
    "infinity": lambda form: (form(huge(np.inf)), [0], {}),
    "minus infinity": lambda form: (form(huge(-np.inf)), [0], {}),
    "wider": lambda form: (form(np.ones((1, D + 1))), [0], {}),
    "no target": lambda form: (form(X[:1]), [], {}),
    "target NaN": lambda form: (form(X[:1]), [np.nan], {}),
    "word": lambda form: (form(X[:1]), ["word"], {}),
    "weight": lambda form: (form(X[:1]), [0], {"sample_weight": [-1.0]}),
    "weight NaN": lambda form: (form(X[:1]), [0], {"sample_weight": [np.nan]}),
}
MODELS = {
    "float rate": lambda: GDClassifier(lr=0.1),
    "auto": GDClassifier,
    "average": lambda: GDRegressor(lr=0.1, average=True),
    "forgetting": lambda: GDRegressor(half_life=5),
    "sign": lambda: GDRegressor(lr=0.1, optimizer="lion"),
    "adam": lambda: GDRegressor(lr=0.1, optimizer="adam"),
    "network": lambda: MLPGD((3,), random_state=0),
}
FORMS = {
    "array": lambda rows: rows,
    "columns": np.asfortranarray,
    "float32": lambda rows: rows.astype(np.float32),
    "list": lambda rows: rows.tolist(),
    "CSR": sparse.csr_array,
}
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("learn"), st.integers(0, len(X) - 1)),
        st.tuples(st.just("refuse"), st.sampled_from(sorted(BAD))),
        st.tuples(st.just("look"), st.sampled_from(["predict", "coef", "state"])),
        st.tuples(st.just("weigh"), st.integers(0, len(X) - 1)),
    ),
    min_size=4,
    max_size=25,
)


def learn(model, form, i, **others):
    row = FORMS[form](X[i : i + 1].astype(np.float32).astype(np.float64))
    if hasattr(model, "coef_") or hasattr(model, "coefs_"):
        y = Y[i : i + 1] if hasattr(model, "classes_") else Z[i : i + 1]
        return model.partial_fit(row, y, **others)
    if isinstance(model, GDRegressor):
        return model.partial_fit(row, Z[i : i + 1], **others)
    return model.partial_fit(row, Y[i : i + 1], classes=[0, 1], **others)


def bits(model):
    names = ("theta", "vectors", "scalars", "step_sizes", "base", "average")
    return [getattr(model._state, name).tobytes() for name in names]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", MODELS)
@settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS)
def test_refused_rows_anywhere(name, form, steps):
    model, reference = MODELS[name](), MODELS[name]()
    for one in (model, reference):
        for i in (0, 1, 2):
            learn(one, form, i)
    for kind, what in steps:
        if kind == "refuse":
            rows, y, others = BAD[what](FORMS[form])
            with pytest.raises((ValueError, TypeError)):
                model.partial_fit(rows, y, **others)
            continue
        if kind == "look":
            if what == "predict":
                model.predict(FORMS[form](X[:1]))
            elif what == "state":
                assert model._state.step > 0
            else:
                getattr(model, "coefs_" if name == "network" else "coef_")
            continue
        others = {"sample_weight": [0.5]} if kind == "weigh" else {}
        for one in (model, reference):
            learn(one, form, what, **others)
    assert bits(model) == bits(reference)
