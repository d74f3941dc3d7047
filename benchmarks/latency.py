"""Latency of learning one row at a time: partial_fit here, in scikit-learn, in river.

    python benchmarks/latency.py [--rows 2000] [--features 20]

Prints medians of microseconds for a row, all learners in one run. Throughput of whole
epochs is the matter of ``epochs.py``.
"""

import argparse
import statistics
from time import perf_counter as clock

import numpy as np
from _peers import dense, optional
from _report import Table
from sklearn.linear_model import SGDClassifier

from skgd import GDClassifier

WARM_UP = 50


def by_row(model, X, y):
    """callable(i) that learns row i through ``partial_fit``."""
    classes = np.unique(y)
    return lambda i: model.partial_fit(X[i : i + 1], y[i : i + 1], classes=classes)


def with_river(model, X, y):
    """callable(i) that learns row i as a dict, made beforehand."""
    rows = [dict(enumerate(row)) for row in X.tolist()]
    labels = [bool(label) for label in y]
    return lambda i: model.learn_one(rows[i], labels[i])


def learners(X, y):
    """Name -> callable(i)."""
    tasks = {
        "SGDClassifier": by_row(SGDClassifier(loss="log_loss"), X, y),
        "GDClassifier(lr=0.01)": by_row(GDClassifier(lr=0.01), X, y),
        "GDClassifier(lr=0.01, optimizer='adam')": by_row(
            GDClassifier(lr=0.01, optimizer="adam"), X, y
        ),
        "GDClassifier()": by_row(GDClassifier(), X, y),
    }
    if optional("river"):
        from river.linear_model import LogisticRegression

        tasks["river LogisticRegression.learn_one"] = with_river(
            LogisticRegression(), X, y
        )
    return tasks


def microseconds(tasks, n_rows):
    """Name -> median over the rows, the learners taking turns row by row."""
    seconds = {name: [] for name in tasks}
    for i in range(n_rows):
        for name, learn in tasks.items():
            start = clock()
            learn(i)
            seconds[name].append(clock() - start)
    return {n: 1e6 * statistics.median(s[WARM_UP:]) for n, s in seconds.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--features", type=int, default=20)
    options = parser.parse_args()
    X, y = dense(options.rows, options.features)
    found = microseconds(learners(X, y), options.rows)
    peer = found["SGDClassifier"]
    rows = [
        {"learner": name, "us per row": value, "of SGDClassifier": value / peer}
        for name, value in found.items()
    ]
    missing = [] if optional("river") else ["river"]
    title = f"One row of {options.features} columns at a time"
    print(Table(title, rows, missing=missing).markdown())


if __name__ == "__main__":
    main()
