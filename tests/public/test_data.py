"""Adapters of files and arrays, and scores of a model that learns from a stream."""

import datetime
import decimal
import subprocess
import sys

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
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
    assert X_first.columns.tolist() == NAMES
    np.testing.assert_array_equal(y_first, y[:10])
    np.testing.assert_array_equal(weights, np.arange(10) % 3)
    two = next(iter(from_parquet(folder, target="y", columns=["c", "a"])))[0]
    assert two.columns.tolist() == ["c", "a"]
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


# ---- columns that are no numbers -----------------------------------------------------


def written(tmp_path, kind, columns):
    """A file of the columns and its reader."""
    pa = pytest.importorskip("pyarrow")
    path = tmp_path / f"table.{kind}"
    arrow = pa.table(columns)
    if kind == "csv":
        pytest.importorskip("pyarrow.csv").write_csv(arrow, path)
        return path, from_csv
    pytest.importorskip("pyarrow.parquet").write_table(arrow, path)
    return path, from_parquet


def moments(n):
    return np.arange(n).astype("datetime64[D]")


REFUSED = {
    "dates": lambda n: moments(n),
    "timestamps": lambda n: moments(n).astype("datetime64[s]"),
    "times": lambda n: [datetime.time(1, i % 60) for i in range(n)],
    "durations": lambda n: np.arange(n).astype("timedelta64[s]"),
    "text": lambda n: ["ab"] * n,
    "mixed": lambda n: ["1", "x"] * (n // 2),
    "lists": lambda n: [["a", "b"]] * n,
    "bytes": lambda n: [b"a"] * n,
}


@pytest.mark.parametrize(
    "kind, what",
    [("parquet", what) for what in REFUSED]
    + [("csv", what) for what in ("dates", "timestamps", "times", "text", "mixed")],
)
def test_columns_without_numbers_are_refused_by_name(tmp_path, kind, what):
    X, y = table(200)
    columns = {"a": X[:, 0], "when": REFUSED[what](200), "y": y}
    path, read = written(tmp_path, kind, columns)
    with pytest.raises(ValueError, match=r"Column 'when' of .*which is no number"):
        GDRegressor().fit_batches(read(path, target="y"))
    stream = read(path, target="y", columns=["a"])
    assert GDRegressor().fit_batches(stream).coef_.shape == (1,)
    # Text may be a label.
    if what not in ("text", "mixed") and (kind, what) != ("csv", "times"):
        with pytest.raises(ValueError, match=r"target 'when' of .*which is no number"):
            GDRegressor().fit_batches(read(path, target="when", columns=["a"]))


ACCEPTED = {
    "decimals": lambda x: [decimal.Decimal(round(v * 100)) / 100 for v in x],
    "integers": lambda x: np.round(x).astype(np.int16),
    "small floats": lambda x: x.astype(np.float16),
    "booleans": lambda x: x > 0,
    "coded": lambda x: (
        pytest.importorskip("pyarrow").array(np.round(x)).dictionary_encode()
    ),
}


@pytest.mark.parametrize(
    "kind, what",
    [("parquet", what) for what in ACCEPTED]
    + [("csv", what) for what in ("decimals", "integers", "booleans")],
)
@pytest.mark.parametrize("role", ["feature", "target", "weight"])
def test_columns_of_any_kind_of_number(tmp_path, kind, what, role):
    X, y = table(200)
    special = ACCEPTED[what](X[:, 1])
    numbers = np.array(
        special.to_pylist() if hasattr(special, "to_pylist") else special, dtype=float
    )
    columns = {"a": X[:, 0], "b": X[:, 2], "y": y}
    path, read = written(tmp_path, kind, columns | {"s": special})
    model = GDRegressor(solver="batch", lr=1e-3, max_iter=5, tol=None)
    if role == "feature":
        stream = read(path, target="y")
        model.fit_batches(stream)
        plain = clone(model).fit(np.column_stack([X[:, [0, 2]], numbers]), y)
    elif role == "target":
        model.fit_batches(read(path, target="s", columns=["a", "b"]))
        plain = clone(model).fit(X[:, [0, 2]], numbers)
    else:
        if numbers.min() < 0:
            columns["s"] = numbers = np.abs(np.round(numbers))
            path, read = written(tmp_path, kind, columns)
        stream = read(path, target="y", sample_weight="s")
        model.fit_batches(stream)
        plain = clone(model).fit(X[:, [0, 2]], y, sample_weight=numbers)
    np.testing.assert_allclose(model.coef_, plain.coef_, rtol=1e-6)


def test_csv_columns_that_begin_as_integers(tmp_path, monkeypatch):
    """Their type is not that of the first block."""
    pytest.importorskip("pyarrow.csv")
    from skgd.data import _csv

    monkeypatch.setattr(_csv, "CSV_BLOCK", 100)
    monkeypatch.setattr(_csv, "LOOK_BYTES", 100)
    monkeypatch.setattr(_csv, "LEAST_LOOK", 100)
    X = np.repeat([1.0, 2.0, 2.5, 4.0], 50)
    y = np.repeat([1.0, 2.0, 3.0, 4.5], 50)
    empty = ["" if x < 2.5 else "7.5" for x in X]
    path = tmp_path / "t.csv"
    lines = [f"{a:g},{e},{b:g}" for a, e, b in zip(X, empty, y, strict=True)]
    path.write_text("x,e,y\n" + "\n".join(lines) + "\n")
    batches = list(from_csv(path, target="y", columns=["x"]))
    assert len(batches) > 2
    np.testing.assert_array_equal(
        np.concatenate([np.asarray(b["x"]) for b, _ in batches]), X
    )
    np.testing.assert_array_equal(np.concatenate([b for _, b in batches]), y)
    assert batches[0][1].dtype == np.int64
    with pytest.raises(ValueError, match="NaN"):
        GDRegressor().fit_batches(from_csv(path, target="y"))
    path.write_text("x,y\n" + "1,2\n" * 50 + "1,abc\n")
    with pytest.raises(ValueError, match=r"t\.csv.*'abc' of column 'y' in row 51"):
        list(from_csv(path, target="y"))


def test_labels_that_are_integers_in_a_csv_file(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x,y\n" + "1.5,3\n-1.5,4\n" * 20)
    model = GDClassifier().fit_batches(from_csv(path, target="y"))
    assert model.classes_.tolist() == [3, 4]
    assert model.classes_.dtype == np.int64


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_missing_labels_are_told(tmp_path, kind):
    columns = {"a": [1.0, 2.0, 3.0], "kind": ["u", None, "v"]}
    path, read = written(tmp_path, kind, columns)
    with pytest.raises(ValueError, match=r"NaN: row 2 of column 'kind' of .*lacks a"):
        GDClassifier().fit_batches(read(path, target="kind"))


def test_text_in_other_encodings(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes("größe,y\n1.0,ja\n2.0,nö\n".encode("latin-1") * 1)
    with pytest.raises(ValueError, match=r"t\.csv.*encoding='latin-1'"):
        list(from_csv(path, target="y"))
    stream = from_csv(path, target="y", encoding="latin-1")
    assert stream.columns == ["größe"]
    assert next(iter(stream))[1].tolist() == ["ja", "nö"]


@pytest.mark.parametrize("read", [from_csv, from_parquet])
def test_files_that_are_not_there(tmp_path, read):
    for path in (tmp_path, tmp_path / "no", []):
        with pytest.raises(FileNotFoundError):
            read(path, target="y")
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "folder.parquet").mkdir()
    with pytest.raises(FileNotFoundError, match="folder"):
        read(tmp_path / f"folder.{read.__name__[5:]}", target="y")


def test_a_text_file_that_is_no_parquet_file(tmp_path):
    path = tmp_path / "t.parquet"
    path.write_text("a,y\n1,2\n")
    with pytest.raises(ValueError, match=r"t\.parquet cannot be read as a Parquet"):
        from_parquet(path, target="y")


def test_a_folder_of_files_of_different_kinds(tmp_path):
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table({"a": [1.0, 2], "y": [1.0, 2]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"a": ["x", "y"], "y": [1.0, 2]}), tmp_path / "2.parquet")
    with pytest.raises(ValueError, match=r"'a' holds double in .*1\.parquet and str"):
        list(from_parquet(tmp_path, target="y"))
    pq.write_table(pa.table({"y": [1.0, 2]}), tmp_path / "2.parquet")
    with pytest.raises(ValueError, match=r"2\.parquet has no column 'a'"):
        list(from_parquet(tmp_path, target="y"))
