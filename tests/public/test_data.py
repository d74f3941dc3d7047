"""Adapters of files and arrays, and scores of a model that learns from a stream."""

import subprocess
import sys

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import accuracy_score

from skgd import GDClassifier, GDRegressor
from skgd.data import from_arrays, from_csv, from_parquet, progressive_score

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

NAMES = list("abcde")


def table(n=2000, p=5):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, p)) * np.arange(1, p + 1)
    return X, X @ rng.normal(size=p) + rng.normal(size=n)


@pytest.fixture
def parquet(tmp_path):
    """A folder of two files, and what is in them."""
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    X, y = table()
    columns = dict(zip(NAMES, X.T, strict=True)) | {"y": y, "w": np.arange(2000) % 3}
    whole = pa.table(columns)
    pq.write_table(whole.slice(0, 700), tmp_path / "1.parquet", row_group_size=123)
    pq.write_table(whole.slice(700), tmp_path / "2.parquet")
    return tmp_path, X, y


def test_from_arrays():
    X, y = table()
    stream = from_arrays(X, y, batch_size=700)
    for _ in range(2):
        sizes = [len(batch[1]) for batch in stream]
        assert sizes == [700, 700, 600]
    first, _ = next(iter(stream))
    assert np.shares_memory(first, X)
    assert [len(b) for b in from_arrays(X, y, np.ones(2000))] == [3]
    assert [len(y) for _, y in from_arrays(X, y).in_batches_of(1500)] == [1500, 500]
    assert "2000" in repr(stream)


@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csr_matrix])
def test_from_sparse_arrays(container):
    X, y = table()
    stream = from_arrays(container(X), y.tolist(), batch_size=700)
    assert sum(X.shape[0] for X, _ in stream) == 2000


def test_from_data_frames():
    pd = pytest.importorskip("pandas")
    X, y = table()
    frame = pd.DataFrame(X, columns=NAMES)
    model = GDRegressor().fit_batches(from_arrays(frame, pd.Series(y), batch_size=90))
    assert model.feature_names_in_.tolist() == NAMES


def test_arrays_that_do_not_fit_together():
    X, y = table()
    with pytest.raises(ValueError, match=r"different numbers of rows: \[2000, 3\]"):
        from_arrays(X, y[:3])
    for bad in (0, -1, 2.5):
        with pytest.raises(ValueError, match="batch_size must be a positive int"):
            from_arrays(X, y, batch_size=bad)


def test_from_parquet(parquet):
    folder, X, y = parquet
    stream = from_parquet(folder, target="y", columns=NAMES)
    model = GDRegressor(lr=1e-3, max_iter=3, tol=None, random_state=0)
    whole = model.fit(X, y).coef_
    model.fit_batches(stream)
    np.testing.assert_array_equal(model.coef_, whole)
    assert model.feature_names_in_.tolist() == NAMES
    assert "5 columns, 2 files" in repr(stream)
    files = [folder / "1.parquet", folder / "2.parquet"]
    model.fit_batches(from_parquet(files, target="y", columns=NAMES, batch_size=77))
    np.testing.assert_array_equal(model.coef_, whole)


def test_columns_of_parquet(parquet):
    folder, _, y = parquet
    X_first, y_first, weights = next(
        iter(from_parquet(folder, target="y", sample_weight="w", batch_size=10))
    )
    assert X_first.column_names == NAMES
    np.testing.assert_array_equal(y_first, y[:10])
    np.testing.assert_array_equal(weights, np.arange(10) % 3)
    two = next(iter(from_parquet(folder, target="y", columns=["c", "a"])))[0]
    assert two.column_names == ["c", "a"]
    with pytest.raises(ValueError, match="no column 'z'"):
        from_parquet(folder, target="z")
    with pytest.raises(FileNotFoundError, match="no parquet file"):
        from_parquet(folder / "nothing", target="y")


def test_from_csv(tmp_path):
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    X, y = table()
    kind = np.where(y > 0, "yes", "no")
    frame = pd.DataFrame(X, columns=NAMES).assign(kind=kind)
    frame.to_csv(tmp_path / "table.csv", index=False)
    stream = from_csv(tmp_path / "table.csv", target="kind", batch_size=300)
    assert [len(y) for _, y in stream][:-1] == [300] * 6
    model = GDClassifier(max_iter=5, random_state=0).fit_batches(stream)
    assert model.classes_.tolist() == ["no", "yes"]
    np.testing.assert_allclose(model.coef_, model.fit(X, kind).coef_, 1e-9)


def test_without_pyarrow(tmp_path):
    (tmp_path / "x.parquet").touch()
    code = f"""
import sys
sys.modules["pyarrow"] = None
from skgd.data import from_parquet
try:
    from_parquet({str(tmp_path / "x.parquet")!r}, target="y")
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "pip install 'skgd[stream]'" in done.stdout, done.stderr


@pytest.mark.slow
def test_a_large_parquet_file(tmp_path):
    """5 million rows of 20 columns, three epochs."""
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    n, p = 5_000_000, 20
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, p))
    y = X @ rng.normal(size=p) + rng.normal(size=n)
    names = [f"x{j}" for j in range(p)]
    pq.write_table(
        pa.table(dict(zip(names, X.T, strict=True)) | {"y": y}), tmp_path / "t.parquet"
    )
    stream = from_parquet(tmp_path / "t.parquet", target="y")
    for solver, lr in [("minibatch", 1e-3), ("batch", 0.5), ("batch", "auto")]:
        model = GDRegressor(solver=solver, lr=lr, shuffle=False, max_iter=3, tol=None)
        whole = model.fit(X, y).coef_
        model.fit_batches(stream)
        np.testing.assert_allclose(model.coef_, whole, 1e-9, 1e-12)


# ---- test, then train ----------------------------------------------------------------


def test_progressive_score():
    X, y = table()
    y = y > 0
    weights = np.arange(len(y)) % 2 + 1.0
    for model in (GDClassifier(lr=0.01), SGDClassifier(random_state=0)):
        by_hand, scores = type(model)(**model.get_params()), []
        for start in range(0, len(y), 150):
            part = slice(start, start + 150)
            if start:
                hits = accuracy_score(y[part], by_hand.predict(X[part]))
                scores.append(hits)
            by_hand.partial_fit(X[part], y[part], classes=[False, True])
        stream = from_arrays(X, y, batch_size=150)
        result = progressive_score(model, stream, classes=[False, True])
        np.testing.assert_allclose(result.score, scores)
        assert result.rows.tolist() == [*range(300, 2000, 150), 2000]
        sizes = np.diff([150, *result.rows])
        mean = np.average(scores, weights=sizes)
        assert result.mean_score == result.running_score[-1] == pytest.approx(mean)
        np.testing.assert_array_equal(model.coef_, by_hand.coef_)
    weighted = from_arrays(X, y, weights, batch_size=150)
    result = progressive_score(
        GDClassifier(lr=0.01), weighted, scoring="neg_log_loss", classes=[False, True]
    )
    assert (result.score < 0).all()


def test_a_fitted_model_is_scored_from_the_first_batch():
    X, y = table()
    model = GDRegressor().fit(X, y)
    result = progressive_score(model, from_arrays(X, y, batch_size=1000))
    assert result.rows.tolist() == [1000, 2000]
    assert progressive_score(GDRegressor(), [(X, y)]).score.size == 0
