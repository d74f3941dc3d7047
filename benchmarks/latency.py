"""Latency of learning as rows arrive: here, in scikit-learn, river, Vowpal Wabbit.

One row at a time, and 32 at a time; one row in every form in which rows arrive, learnt
and predicted, beside scikit-learn; and the loop of a service, which tests and then
trains, beside river. Throughput of whole epochs is the matter of ``epochs.py`` and
``vowpal_wabbit.py``, and what is learnt that of ``streams.py``.
"""

import statistics
from time import perf_counter as clock

import numpy as np
from scipy import sparse
from sklearn.linear_model import SGDClassifier
from sklearn.neural_network import MLPClassifier

from benchmarks._command import alone
from benchmarks._peers import dense, optional
from benchmarks._report import Table
from benchmarks.vowpal_wabbit import lines
from skgd import MLPGD, GDClassifier

N_FEATURES = 10
WARM_UP = 50
BLOCK = 50
HIDDEN = (20,)

# Of sparse rows: as many columns as words, and as many nonzeros as a short text has.
SPARSE_COLUMNS = 1 << 17
NONZEROS = 30

# A network moves all its weights, so that its rows have fewer.
NETWORK_COLUMNS = 300

OURS = {
    "GDClassifier(lr=0.01)": {"lr": 0.01},
    "GDClassifier(lr=0.01, optimizer='adam')": {"lr": 0.01, "optimizer": "adam"},
    "GDClassifier()": {},
}


def parts(n, size):
    """Slices of so many rows, one after the other."""
    return [slice(start, start + size) for start in range(0, n, size)]


def by_part(model, X, y, size):
    """callable(i) that learns the part i through ``partial_fit``."""
    classes, where = np.unique(y), parts(len(X), size)
    return lambda i: model.partial_fit(X[where[i]], y[where[i]], classes=classes)


def river_rows(model, X, y):
    """callable(i) that learns row i as a dict, made beforehand."""
    rows = [dict(enumerate(row)) for row in X.tolist()]
    labels = [bool(label) for label in y]
    return lambda i: model.learn_one(rows[i], labels[i])


def river_parts(model, X, y, size):
    """callable(i) that learns the part i as a frame, made beforehand."""
    import pandas as pd

    columns = [f"x{j}" for j in range(X.shape[1])]
    frames = [pd.DataFrame(X[part], columns=columns) for part in parts(len(X), size)]
    labels = [pd.Series(y[part] == 1) for part in parts(len(X), size)]
    return lambda i: model.learn_many(frames[i], labels[i])


def vowpal_wabbit_rows(module, X, y):
    """callable(i) that learns row i as an example, parsed beforehand."""
    workspace = module.Workspace("--loss_function logistic --quiet")
    examples = [workspace.parse(text) for text in lines(X, y)]
    return lambda i: workspace.learn(examples[i])


def learners(X, y, size):
    """Name -> callable(i), and the peers that are missing."""
    sgd = SGDClassifier(loss="log_loss")
    tasks = {"SGDClassifier": by_part(sgd, X, y, size)}
    for name, parameters in OURS.items():
        tasks[name] = by_part(GDClassifier(**parameters), X, y, size)
    missing = []
    if optional("river"):
        from river.linear_model import LogisticRegression

        if size == 1:
            name, learn = "learn_one", river_rows(LogisticRegression(), X, y)
        else:
            name, learn = "learn_many", river_parts(LogisticRegression(), X, y, size)
        tasks[f"river LogisticRegression.{name}"] = learn
    else:
        missing.append("river")
    module = optional("vowpalwabbit")
    if module is None:
        missing.append("vowpalwabbit")
    elif size == 1:
        tasks["Vowpal Wabbit, learn"] = vowpal_wabbit_rows(module, X, y)
    return tasks, missing


def durations(tasks, n_parts):
    """Name -> microseconds of each part, the learners taking turns block by block.

    A stream is one call after the other of the same kind; of two learners that take
    turns call by call, each finds the caches of the processor full of the other.
    """
    seconds = {name: [] for name in tasks}
    for first in range(0, n_parts, BLOCK):
        for name, learn in tasks.items():
            for i in range(first, min(first + BLOCK, n_parts)):
                start = clock()
                learn(i)
                seconds[name].append(1e6 * (clock() - start))
    return {name: found[WARM_UP:] for name, found in seconds.items()}


def microseconds(tasks, n_parts):
    """Name -> median over the parts, the learners taking turns block by block."""
    return {n: statistics.median(s) for n, s in durations(tasks, n_parts).items()}


def table(size, n_parts):
    """Every learner on parts of one size."""
    X, y = dense(size * n_parts, N_FEATURES)
    tasks, missing = learners(X, y, size)
    found = microseconds(tasks, n_parts)
    peer = found["SGDClassifier"]
    rows = [
        {"learner": name, "us": value, "of SGDClassifier": value / peer}
        for name, value in found.items()
    ]
    unit = "One row" if size == 1 else f"{size} rows"
    note = (
        "Median of a call. Dicts, frames and examples are made beforehand. "
        "SGDClassifier makes an update for each row, the others one for each call."
    )
    title = f"{unit} of {N_FEATURES} columns at a time"
    return Table(title, rows, note, missing)


def forms(X):
    """Name of a form -> rows in it, one by one.

    What ``to_numpy`` makes of a frame lies column by column, and a row is a view of it.
    """
    by_column = np.asfortranarray(X)
    narrow = X.astype(np.float32)
    wide = np.zeros((len(X), 2 * X.shape[1]))
    wide[:, ::2] = X
    whole = np.round(10.0 * X).astype(np.int64)
    made = {
        "NumPy, row by row": [X[i : i + 1] for i in range(len(X))],
        "DataFrame.to_numpy()": [by_column[i : i + 1] for i in range(len(X))],
        "strided": [wide[i : i + 1, ::2] for i in range(len(X))],
        "float32": [narrow[i : i + 1] for i in range(len(X))],
        "int64": [whole[i : i + 1] for i in range(len(X))],
        "list": [X[i : i + 1].tolist() for i in range(len(X))],
    }
    if optional("pandas"):
        import pandas as pd

        frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])])
        made["pandas.DataFrame"] = [frame.iloc[i : i + 1] for i in range(len(X))]
    return made


def sparse_rows(n_rows, n_columns, seed=0):
    """CSR matrices of one row each, of a vocabulary of many words."""
    rng = np.random.default_rng(seed)
    pointers = np.array([0, NONZEROS], np.int32)
    shape = (1, n_columns)
    rows = []
    for _ in range(n_rows):
        words = rng.choice(n_columns, NONZEROS, replace=False)
        columns = np.sort(words).astype(np.int32)
        values = rng.uniform(size=NONZEROS)
        rows.append(sparse.csr_matrix((values, columns, pointers), shape=shape))
    return rows


def in_turns(model, rows, y):
    """callables(i) that predict row i and learn it, to be called in turns."""
    classes = np.unique(y)
    targets = [y[i : i + 1] for i in range(len(y))]
    model.partial_fit(rows[0], targets[0], classes=classes)
    return (
        lambda i: model.predict_proba(rows[i]),
        lambda i: model.partial_fit(rows[i], targets[i]),
    )


def test_then_train(model, rows, y):
    """callable(i) that does both."""
    predict, learn = in_turns(model, rows, y)

    def both(i):
        predict(i)
        learn(i)

    return both


def river_test_then_train(X, y):
    """The same of river's logistic regression behind its scaler; dicts are there."""
    from river import linear_model, preprocessing

    model = preprocessing.StandardScaler() | linear_model.LogisticRegression()
    rows = [dict(enumerate(row)) for row in X.tolist()]
    labels = [bool(label) for label in y]

    def both(i):
        model.predict_proba_one(rows[i])
        model.learn_one(rows[i], labels[i])

    return both


def pairs():
    """Name -> (ours, scikit-learn's), which learn by the same kind of updates."""
    return {
        "linear, lr=0.01": (
            GDClassifier(lr=0.01),
            SGDClassifier(loss="log_loss", learning_rate="constant", eta0=0.01),
        ),
        "linear": (GDClassifier(), SGDClassifier(loss="log_loss")),
        "network": (
            MLPGD(HIDDEN, random_state=0),
            MLPClassifier(HIDDEN, random_state=0),
        ),
    }


def table_of_forms(n_rows):
    """One row in each form, ours beside scikit-learn's."""
    X, y = dense(n_rows, N_FEATURES)
    by_form = forms(X)
    sparse_form = f"CSR, {NONZEROS} of {SPARSE_COLUMNS:,}"
    by_form[sparse_form] = sparse_rows(n_rows, SPARSE_COLUMNS)
    few = sparse_rows(n_rows, NETWORK_COLUMNS)
    rows = []
    for form, made in by_form.items():
        for name, (ours, theirs) in pairs().items():
            shown = form
            if form == sparse_form and name == "network":
                shown, made = f"CSR, {NONZEROS} of {NETWORK_COLUMNS:,}", few
            tasks = {}
            for whose, model in {"ours": ours, "theirs": theirs}.items():
                predict, learn = in_turns(model, made, y)
                tasks |= {f"{whose}, predicts": predict, f"{whose}, learns": learn}
            found = microseconds(tasks, n_rows)
            row = {"row": shown, "model": name}
            for verb in ("learns", "predicts"):
                mine, other = found[f"ours, {verb}"], found[f"theirs, {verb}"]
                row |= {f"{verb}, us": mine, f"{verb}, ratio": mine / other}
            rows.append(row)
    note = (
        f"Medians, in turns of {BLOCK} calls; {N_FEATURES} columns. `predicts` is "
        "predict_proba, and a ratio is to scikit-learn's time: linear models stand "
        f"beside SGDClassifier, networks of {HIDDEN[0]} units beside MLPClassifier."
    )
    return Table("One row in every form", rows, note)


def table_of_loops(n_rows):
    """The loop of a service: predict_proba and partial_fit of the same row."""
    X, y = dense(n_rows, N_FEATURES)
    rows = [X[i : i + 1] for i in range(n_rows)]
    tasks, missing = {}, []
    for name, (ours, theirs) in pairs().items():
        for model in (ours, theirs):
            whose = f"{type(model).__name__}, {name}"
            tasks[whose] = test_then_train(model, rows, y)
    if optional("river"):
        tasks["river, StandardScaler | LogisticRegression"] = river_test_then_train(
            X, y
        )
    else:
        missing.append("river")
    found = durations(tasks, n_rows)
    shown = [
        {
            "learner": name,
            "median, us": statistics.median(seconds),
            "least, us": min(seconds),
        }
        for name, seconds in found.items()
    ]
    note = "predict_proba, then partial_fit, of one row; rows and dicts are there."
    title = f"Test, then train: one row of {N_FEATURES} columns"
    return Table(title, shown, note, missing)


def run(repeats=5, quick=False):
    """All tables of this suite."""
    n_parts = 100 if quick else 400 * repeats
    n_rows = WARM_UP + (50 if quick else 100 * repeats)
    return [
        table(1, n_parts),
        table(32, n_parts),
        table_of_forms(n_rows),
        table_of_loops(n_parts),
    ]


if __name__ == "__main__":
    alone(run, __doc__)
