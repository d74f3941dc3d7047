"""Writes the library of saved models of this version: once for each release.

``python tests/export/save_models.py`` makes a folder of small pickles in
``tests/export/saved/``, each with the answers of the model beside it. Folders of
releases stay as they are.
"""

import json
import pickle
import sys
from pathlib import Path

import numpy as np
from scipy import sparse

import skgd
from skgd import MLPGD, GDClassifier, GDRegressor
from skgd.optimizers import Adam

FOLDER = Path(__file__).parent / "saved"

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 4)).round(3)
WORDS = np.array(["blue", "green", "red"])[np.digitize(X[:, 0] - X[:, 1], [-0.7, 0.7])]
NUMBERS = X @ [1.0, -2.0, 0.5, 0.0] + 3.0


def models():
    """(name, fitted model, rows) of each kind of state."""
    yield "classifier", GDClassifier(random_state=0).fit(X, WORDS), X
    yield "regressor", GDRegressor(random_state=0).fit(X, NUMBERS), X
    two = np.column_stack([NUMBERS, -NUMBERS])
    yield "targets", GDRegressor("huber", random_state=0).fit(X, two), X
    rows = sparse.csr_array(np.where(np.abs(X) > 0.5, X, 0.0))
    yield "sparse", GDClassifier(random_state=0).fit(rows, WORDS), X
    stream = GDClassifier(lr=0.1, optimizer=Adam(0.8), average=True)
    yield "stream", stream.partial_fit(X, WORDS, classes=np.unique(WORDS)), X
    adaptive = GDClassifier(lr=0.1, optimizer="adagrad", random_state=0)
    yield (
        "sparse-stream",
        adaptive.partial_fit(rows, WORDS, classes=sorted({*WORDS})),
        X,
    )
    automatic = GDRegressor(solver="sgd").partial_fit(X, NUMBERS)
    yield "automatic-stream", automatic, X
    single = X.astype(np.float32)
    network = MLPGD((4, 3), activation="tanh", max_iter=20, random_state=0)
    yield "network", network.fit(single, WORDS), single
    numbers = MLPGD((3,), loss="squared_error", dropout=0.2, max_iter=20)
    yield "network-of-numbers", numbers.set_params(random_state=0).fit(X, NUMBERS), X
    yield "compact", GDRegressor("poisson").fit(X, np.exp(X[:, 0])).compact(), X


def main():
    """Write all of them; refuses to write over a folder that is there."""
    folder = FOLDER / skgd.__version__
    folder.mkdir(parents=True)
    for name, model, rows in models():
        (folder / f"{name}.pickle").write_bytes(pickle.dumps(model, protocol=4))
        first = rows[:5]
        methods = [m for m in ("predict", "predict_proba") if hasattr(model, m)]
        answers = {method: getattr(model, method)(first).tolist() for method in methods}
        record = {"X": first.tolist(), "dtype": str(first.dtype), "answers": answers}
        text = json.dumps(record, indent=1) + "\n"
        (folder / f"{name}.json").write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
