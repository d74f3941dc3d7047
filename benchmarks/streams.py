"""Test, then train: what models say of rows that they are about to learn from.

Nothing is tuned: every learner has its defaults, and the same rows in the same order,
one at a time or 32 in a call. Peers that have no scaler of their own are given one that
learns along. How long a call takes is the matter of ``latency.py``.
"""

import numpy as np
from scipy.special import expit
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.preprocessing import StandardScaler

from benchmarks._command import alone
from benchmarks._peers import optional
from benchmarks._report import Table
from benchmarks._stream_tables import (
    GENERATED,
    SPARSE,
    generated,
    real_streams,
    sparse_stream,
)
from benchmarks.vowpal_wabbit import lines
from skgd import GDClassifier, GDRegressor

CHUNKS = 1, 32
N_ROWS = 4000
N_SPARSE_ROWS = 10_000
SEEDS = 0, 1

# Of the stream whose coefficients turn.
HALF_LIFE = 100

# Probabilities are no smaller, as in ``sklearn.metrics.log_loss`` of old.
LEAST = 1e-15


class Ours:
    """An estimator of this package or of scikit-learn, which answers as a batch."""

    def __init__(self, model, classes, scaler=None):
        self.model, self.classes, self.scaler = model, classes, scaler

    def answer(self, X):
        X = X if self.scaler is None else self.scaler.transform(X)
        if self.classes is None:
            return self.model.predict(X)
        return self.model.predict_proba(X)

    def learn(self, X, y):
        if self.scaler is not None:
            X = self.scaler.partial_fit(X).transform(X)
        others = {} if self.classes is None else {"classes": self.classes}
        self.model.partial_fit(X, y, **others)


class River:
    """A model of river, which learns one row after the other."""

    def __init__(self, model, classes, names):
        self.model, self.classes, self.names = model, classes, names

    def _rows(self, X):
        return [dict(zip(self.names, row, strict=True)) for row in X.tolist()]

    def answer(self, X):
        if self.classes is None:
            return np.array([self.model.predict_one(row) for row in self._rows(X)])
        found = []
        for row in self._rows(X):
            if hasattr(self.model, "predict_proba_one"):
                told = self.model.predict_proba_one(row)
            else:
                told = {self.model.predict_one(row): 1.0}
            found.append([told.get(label, 0.0) for label in self.classes])
        return np.array(found)

    def learn(self, X, y):
        for row, target in zip(self._rows(X), y.tolist(), strict=True):
            self.model.learn_one(row, target)


def learners(X, y, drifts=False):
    """Name -> learner that has seen nothing, for classes or for real targets."""
    classes = None if y.dtype.kind == "f" else np.unique(y)
    names = [f"x{j}" for j in range(X.shape[1])]
    if classes is None:
        ours, sgd = GDRegressor, SGDRegressor()
    else:
        ours, sgd = GDClassifier, SGDClassifier(loss="log_loss", random_state=0)
    found = {"skgd": Ours(ours(), classes)}
    if drifts:
        name = f"skgd, half_life={HALF_LIFE}"
        found[name] = Ours(ours(half_life=HALF_LIFE), classes)
    found[type(sgd).__name__] = Ours(sgd, classes, StandardScaler())
    if optional("river"):
        for name, model in of_river(classes).items():
            found[f"river {name}"] = River(model, classes, names)
    return found


def of_river(classes):
    """Name -> model of river with its defaults, behind its scaler."""
    from river import linear_model, preprocessing

    if classes is None:
        kinds = [linear_model.LinearRegression, linear_model.PARegressor]
    elif len(classes) == 2:
        kinds = [linear_model.LogisticRegression, linear_model.PAClassifier]
    else:
        kinds = [linear_model.SoftmaxRegression]
    return {kind.__name__: preprocessing.StandardScaler() | kind() for kind in kinds}


def progressive(learner, X, y, size):
    """Answers to all rows but those of the first chunk, each given before it is learnt.

    Returns measures by name.
    """
    answers = []
    for start in range(0, len(y), size):
        part = slice(start, start + size)
        if start:
            answers.append(learner.answer(X[part]))
        learner.learn(X[part], y[part])
    return measures(np.concatenate(answers), y[size:])


def measures(answers, y):
    """Log loss and accuracy of probabilities, or the mean absolute error."""
    if answers.ndim == 1:
        return {"MAE": float(np.abs(answers - y).mean())}
    total = answers.sum(axis=1, keepdims=True)
    shares = np.where(total > 0.0, answers / np.where(total > 0.0, total, 1.0), 0.5)
    right = np.clip(shares[np.arange(len(y)), y], LEAST, 1.0)
    return {
        "log loss": float(-np.log(right).mean()),
        "accuracy": float((answers.argmax(axis=1) == y).mean()),
    }


def dense_table(title, streams, note):
    """Every learner on every stream, in chunks of each size."""
    rows = []
    for name, found in streams.items():
        for size in CHUNKS:
            results = {}
            for X, y in found:
                for learner, model in learners(X, y, "drifting" in name).items():
                    with np.errstate(all="ignore"):
                        results.setdefault(learner, []).append(
                            progressive(model, X, y, size)
                        )
            rows += summary(name, size, results)
    missing = [] if optional("river") else ["river"]
    return Table(title, rows, note, missing)


def summary(name, size, results):
    """Rows of a table: means over the streams, and the peer that is best."""
    found = []
    some = next(iter(results.values()))[0]
    for measure in some:
        means = {
            learner: float(np.mean([one[measure] for one in every]))
            for learner, every in results.items()
        }
        best = max if measure == "accuracy" else min
        peers = {n: v for n, v in means.items() if not n.startswith("skgd")}
        peer = best(peers, key=peers.get)
        row = {"stream": name, "rows a call": size, "measure": measure}
        row["skgd"] = means["skgd"]
        forgetful = [v for n, v in means.items() if n.startswith("skgd,")]
        row["half_life"] = forgetful[0] if forgetful else ""
        row |= {"best peer": peer, "its": peers[peer]}
        found.append(row)
    return found


# ---- sparse --------------------------------------------------------------------------

VOWPAL_WABBIT = {"VW": "", "VW --ftrl": "--ftrl", "VW --coin": "--coin"}


def of_vowpal_wabbit(module, arguments, X, y):
    """Probabilities that Vowpal Wabbit gave to each row before it learnt it."""
    workspace = module.Workspace(
        f"--loss_function logistic --bit_precision 18 --quiet {arguments}"
    )
    scores = []
    for text in lines(X, y):
        example = workspace.parse(text)
        workspace.learn(example)
        # What was said before the weights moved.
        scores.append(example.get_simplelabel_prediction())
        workspace.finish_example(example)
    workspace.finish()
    return expit(np.array(scores))


def of_river_sparse(X, y):
    """The same of river's logistic regression."""
    from river.linear_model import LogisticRegression

    model, found = LogisticRegression(), []
    for i, label in enumerate(y.tolist()):
        part = slice(X.indptr[i], X.indptr[i + 1])
        row = dict(zip(X.indices[part].tolist(), X.data[part].tolist(), strict=True))
        found.append(model.predict_proba_one(row).get(True, 0.5))
        model.learn_one(row, bool(label))
    return np.array(found)


def of_estimator(model, X, y):
    """The same of an estimator with ``partial_fit``; 0.5 for the first row."""
    found = [0.5]
    model.partial_fit(X[:1], y[:1], classes=[0, 1])
    for i in range(1, len(y)):
        row = X[i : i + 1]
        found.append(model.predict_proba(row)[0, 1])
        model.partial_fit(row, y[i : i + 1])
    return np.array(found)


def sparse_table(n_rows, seeds=SEEDS):
    """Log loss before each row is learnt, on five kinds of sparse table."""
    rows, module = [], optional("vowpalwabbit")
    for name in SPARSE:
        means = {}
        for seed in seeds:
            X, y = sparse_stream(name, n_rows, seed)
            told = {"skgd": of_estimator(GDClassifier(), X, y)}
            told["constant"] = np.full(len(y), y.mean())
            if module is not None:
                for peer, arguments in VOWPAL_WABBIT.items():
                    told[peer] = of_vowpal_wabbit(module, arguments, X, y)
            if optional("river"):
                told["river"] = of_river_sparse(X, y)
            for learner, p in told.items():
                loss = measures(np.column_stack([1.0 - p, p]), y)["log loss"]
                means.setdefault(learner, []).append(loss)
        rows.append({"rows": name} | {n: float(np.mean(m)) for n, m in means.items()})
    missing = [n for n in ("vowpalwabbit", "river") if not optional(n)]
    note = (
        f"{n_rows:,} rows of two classes, one at a time; mean of {len(seeds)} streams. "
        "`constant` is the best constant, known beforehand. All with their defaults; "
        "Vowpal Wabbit has its own constant column and 18 bits."
    )
    return Table(
        "Sparse streams: log loss before each row is learnt", rows, note, missing
    )


def run(repeats=5, quick=False):
    """All tables of this suite."""
    n_rows = 300 if quick else N_ROWS
    seeds = SEEDS[:1] if quick else SEEDS
    real = {name: [(X[:n_rows], y[:n_rows])] for name, (X, y) in real_streams().items()}
    made = {
        f"{name}, {'classes' if classes else 'targets'}": [
            generated(name, classes, n_rows, seed) for seed in seeds
        ]
        for name in GENERATED
        for classes in (True, False)
    }
    note = (
        "Of all rows but those of the first call; peers stand behind a scaler that "
        f"learns along. `half_life` is {HALF_LIFE} rows."
    )
    return [
        dense_table("Streams that river ships", real, note),
        dense_table("Made streams", made, note),
        sparse_table(300 if quick else N_SPARSE_ROWS, seeds),
    ]


if __name__ == "__main__":
    alone(run, __doc__)
