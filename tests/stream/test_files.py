"""Files as they come, each against the pipeline in memory on what pandas reads."""

import gzip
import io
import json
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import sklearn
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError, UnsetMetadataPassedError
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)

from skgd import GDClassifier, GDRegressor
from skgd.data import from_arrays, from_csv, from_parquet, progressive_score
from skgd.pipeline import StreamingPipeline, make_streaming_pipeline

pd = pytest.importorskip("pandas")
pytest.importorskip("pyarrow.parquet")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N = 300


def mixed(n=N):
    """A table of texts with gaps, numbers and truth values, and a target."""
    rng = np.random.default_rng(0)
    colour = rng.choice(["red", "green", "blue", None], n)
    size = rng.normal(size=n)
    year = rng.integers(0, 4, n)
    ok = rng.random(n) > 0.5
    y = (colour == "red") * 2.0 + size + year + ok + rng.normal(size=n) / 10
    columns = {"colour": colour, "size": size, "year": year, "ok": ok, "y": y}
    return pd.DataFrame(columns)


def regressor():
    return GDRegressor(lr=0.05, max_iter=3, tol=None, shuffle=False)


def classifier():
    return GDClassifier(lr=0.05, max_iter=3, tol=None, shuffle=False)


def write(frame, path):
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
        return from_parquet, pd.read_parquet
    frame.to_csv(path, index=False)
    return from_csv, pd.read_csv


def assert_as_in_memory(step, stream, X, y, last=None):
    """The streamed pipeline is that of the table that pandas reads."""
    last = last or regressor()
    whole = make_pipeline(clone(step), clone(last)).fit(X, y)
    fitted = clone(step).fit(X, y)
    model = make_streaming_pipeline(fitted, clone(last)).fit_batches(stream)
    # Two fits that diverged may agree by chance.
    assert model[-1].stop_reason_ != "diverged"
    np.testing.assert_allclose(model[-1].coef_, whole[-1].coef_, 1e-9, 1e-12)
    np.testing.assert_array_equal(model.predict(X), whole.predict(X))
    return model


def of_columns(*parts, **keywords):
    return ColumnTransformer(list(parts), **keywords)


# ---- 1. what was silently wrong ------------------------------------------------------


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("encoder", [OneHotEncoder, OrdinalEncoder], ids=str)
def test_gaps_among_categories(tmp_path, suffix, encoder):
    path = tmp_path / f"t.{suffix}"
    read, pandas_read = write(mixed(), path)
    frame = pandas_read(path)
    parameters = {"handle_unknown": "ignore"} if encoder is OneHotEncoder else {}
    step = of_columns(
        ("kind", encoder(**parameters), ["colour", "ok"]), remainder="passthrough"
    )
    X, y = frame.drop(columns="y"), frame["y"]
    if encoder is OrdinalEncoder:
        step.set_params(kind__encoded_missing_value=-1)
    stream = read(path, target="y", batch_size=77)
    assert_as_in_memory(step, stream, X, y)
    for part, _ in stream:
        assert (part.dtypes == X.dtypes).all()


def test_frames_of_polars_where_the_steps_saw_polars(tmp_path):
    pl = pytest.importorskip("polars")
    path = tmp_path / "t.csv"
    write(mixed(), path)
    frame = pl.read_csv(path)
    X, y = frame.drop("y"), frame["y"].to_numpy()
    step = of_columns(
        ("kind", OneHotEncoder(handle_unknown="ignore"), ["colour"]), ("n", "drop", [])
    )
    # A gap is None in polars, which the fitted step shows.
    assert_as_in_memory(step, from_csv(path, target="y", batch_size=77), X, y)
    part = next(iter(from_csv(path, target="y", frame="polars")))[0]
    assert type(part) is pl.DataFrame and part["colour"].null_count()
    table = next(iter(from_csv(path, target="y", frame="arrow")))[0]
    assert type(table).__module__.startswith("pyarrow")
    with pytest.raises(ValueError, match="frame must be one of"):
        from_csv(path, target="y", frame="dask")


@pytest.mark.parametrize("gap", ["", "NA", "None", "<NA>", "?"])
def test_gaps_among_labels(tmp_path, gap):
    path = tmp_path / "t.csv"
    path.write_text(f"x,kind\n1,a\n2,b\n3,{gap}\n4,a\n")
    marks = {"na_values": "?"} if gap == "?" else {}
    with pytest.raises(ValueError, match="Input contains NaN: row 3 of column 'kind'"):
        classifier().fit_batches(from_csv(path, target="kind", **marks))
    with pytest.raises(ValueError, match="contains NaN"):
        classifier().fit(*_x_and_y(pd.read_csv(path, **marks), "kind"))
    kept = {"keep_default_na": False}
    model = classifier().fit_batches(from_csv(path, target="kind", **kept))
    frame = pd.read_csv(path, **kept)
    assert model.classes_.tolist() == sorted(frame["kind"].unique())


def _x_and_y(frame, target):
    return frame.drop(columns=target), frame[target]


def test_gaps_among_numbers_of_a_target(tmp_path):
    path = tmp_path / "t.parquet"
    pd.DataFrame({"x": [1.0, 2, 3], "y": [1.0, np.nan, 2]}).to_parquet(path)
    with pytest.raises(ValueError, match="Input contains NaN: row 2 of column 'y'"):
        regressor().fit_batches(from_parquet(path, target="y"))


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_hidden_files_are_passed_over(tmp_path, suffix):
    read, _ = write(mixed(), tmp_path / f"1.{suffix}")
    for name in (".ipynb_checkpoints", "_temporary", "deep/.hidden"):
        (tmp_path / name).mkdir(parents=True)
        write(mixed(), tmp_path / name / f"1.{suffix}")
    for name in (f"._1.{suffix}", f"_metadata.{suffix}"):
        (tmp_path / name).write_bytes(b"\0\1")
    rows = [len(y) for _, y in read(tmp_path, target="y", columns=["size"])]
    assert sum(rows) == N
    # A file that is named is meant.
    hidden = tmp_path / ".ipynb_checkpoints" / f"1.{suffix}"
    assert sum(len(y) for _, y in read(hidden, target="y", columns=["size"])) == N


UNITS = ["s", "ms", "ns"]


@pytest.mark.parametrize("unit", UNITS)
def test_moments_are_moments_or_refused(tmp_path, unit):
    frame = mixed()
    frame["when"] = np.arange(N).astype("datetime64[D]").astype(f"datetime64[{unit}]")
    path = tmp_path / "t.parquet"
    frame.to_parquet(path)
    frame = pd.read_parquet(path)
    step = of_columns(
        ("day", FunctionTransformer(day_of_month), ["when"]),
        ("rest", "passthrough", ["size"]),
    )
    stream = from_parquet(path, target="y", batch_size=77)
    last = GDRegressor(lr=1e-6, max_iter=3, tol=None, shuffle=False)
    assert_as_in_memory(step, stream, *_x_and_y(frame, "y"), last)
    with pytest.raises(ValueError, match=r"'when' of .*holds dates .*which is no num"):
        regressor().fit_batches(from_parquet(path, target="y", columns=["when"]))


def day_of_month(frame):
    return frame.apply(lambda column: column.dt.day)


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def weighted(n=N):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(n, 3)) * [1, 2, 3]
    return X, X @ [1.0, 2, 3], rng.integers(1, 4, n).astype(float)


@pytest.mark.parametrize(
    "for_scaler, for_last", [(True, True), (True, False), (False, True)]
)
def test_weights_reach_the_steps_that_ask(routing, for_scaler, for_last):
    X, y, weights = weighted()
    scaler = StandardScaler().set_partial_fit_request(sample_weight=for_scaler)
    last = regressor().set_partial_fit_request(sample_weight=for_last)
    scaler.set_fit_request(sample_weight=for_scaler)
    last.set_fit_request(sample_weight=for_last)
    model = make_streaming_pipeline(clone(scaler), clone(last))
    model.partial_fit(X, y, sample_weight=weights)
    by_hand = clone(scaler).partial_fit(
        X, sample_weight=weights if for_scaler else None
    )
    end = clone(last)
    given = {"sample_weight": weights} if for_last else {}
    end.partial_fit(by_hand.transform(X), y, **given)
    np.testing.assert_array_equal(model[-1].coef_, end.coef_)
    np.testing.assert_array_equal(model[0].mean_, by_hand.mean_)
    # The same on a stream and on one table.
    whole = make_pipeline(clone(scaler), clone(last)).fit(X, y, sample_weight=weights)
    model.fit_batches(from_arrays(X, y, weights, batch_size=77))
    np.testing.assert_allclose(model[-1].coef_, whole[-1].coef_, 1e-9)


def test_weights_that_nobody_spoke_of_are_refused(routing):
    X, y, weights = weighted()
    model = make_streaming_pipeline(StandardScaler(), regressor())
    with pytest.raises(UnsetMetadataPassedError):
        model.partial_fit(X, y, sample_weight=weights)
    with pytest.raises(UnsetMetadataPassedError):
        model.fit_batches(from_arrays(X, y, weights))
    for step in (model[0], model[1]):
        step.set_partial_fit_request(sample_weight=False)
        step.set_fit_request(sample_weight=False)
    # Nobody wants them: an error of scikit-learn's, as in memory.
    with pytest.raises(TypeError, match="not routed to any object"):
        make_pipeline(*model).fit(X, y, sample_weight=weights)
    with pytest.raises(TypeError, match="not routed to any object"):
        model.partial_fit(X, y, sample_weight=weights)
    with pytest.raises(TypeError, match="not routed to any object"):
        model.fit_batches(from_arrays(X, y, weights))
    model = make_streaming_pipeline(
        StandardScaler().set_partial_fit_request(sample_weight=False),
        classifier().set_partial_fit_request(sample_weight=True),
    )
    model.partial_fit(X, y > 0, classes=[False, True], sample_weight=weights)
    assert model[-1].classes_.tolist() == [False, True]


def test_other_metadata_need_routing():
    X, y, _ = weighted()
    model = make_streaming_pipeline(StandardScaler(), regressor())
    with pytest.raises(TypeError, match="enable_metadata_routing"):
        model.partial_fit(X, y, groups=y)


# ---- 2. the obvious combinations -----------------------------------------------------


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_column_transformer_that_passes_through(tmp_path, suffix):
    path = tmp_path / f"t.{suffix}"
    read, pandas_read = write(mixed(), path)
    X, y = _x_and_y(pandas_read(path), "y")
    step = of_columns(
        ("kind", OneHotEncoder(), ["colour"]),
        ("same", "passthrough", ["year", "ok"]),
        ("scaled", StandardScaler(), ["size"]),
    )
    model = assert_as_in_memory(step, read(path, target="y", batch_size=50), X, y)
    assert model[0].feature_names_in_.tolist() == ["colour", "size", "year", "ok"]
    # Rows that were learnt from one by one, and predicted before.
    result = progressive_score(model, read(path, target="y", batch_size=50))
    assert result.rows.tolist() == [100, 200, 300]


class NeedsFrames(TransformerMixin, BaseEstimator):
    """Takes frames of the package it was fitted on only, as skrub's transformers do."""

    def fit(self, X, y=None):
        self.module_name_ = type(X).__module__.partition(".")[0]
        return self

    def transform(self, X):
        if type(X).__module__.partition(".")[0] != self.module_name_:
            raise TypeError(
                "Pandas and Polars cannot be mixed between fit and transform"
            )
        return X[["size", "year"]].to_numpy()

    def __sklearn_is_fitted__(self):
        return hasattr(self, "module_name_")


@pytest.mark.parametrize("package", ["pandas", "polars"])
def test_steps_that_insist_on_their_frames(tmp_path, package):
    module = pytest.importorskip(package)
    path = tmp_path / "t.csv"
    write(mixed(), path)
    frame = module.read_csv(path)
    y = frame["y"].to_numpy()
    stream = from_csv(path, target="y", batch_size=77)
    assert_as_in_memory(make_pipeline(NeedsFrames()), stream, frame, y)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("vectorizer", [HashingVectorizer, TfidfVectorizer], ids=str)
def test_a_column_of_texts(tmp_path, suffix, vectorizer):
    path = tmp_path / f"t.{suffix}"
    words = np.random.default_rng(0).choice(["cats purr", "dogs\nbark", "both, so"], N)
    frame = pd.DataFrame({"text": words, "kind": [w[:1] for w in words]})
    read, pandas_read = write(frame, path)
    frame = pandas_read(path)
    step = vectorizer(**({"n_features": 64} if vectorizer is HashingVectorizer else {}))
    stream = read(path, target="kind", columns="text", batch_size=77)
    assert_as_in_memory(step, stream, frame["text"], frame["kind"], classifier())
    both = of_columns(("words", step, "text"))
    stream = read(path, target="kind", batch_size=77)
    assert_as_in_memory(both, stream, frame[["text"]], frame["kind"], classifier())
    fitted = clone(step).fit(frame["text"])
    with pytest.raises(TypeError, match=r"takes one column of texts.*columns='text'"):
        make_streaming_pipeline(fitted, classifier()).fit_batches(stream)


@pytest.mark.parametrize("method", ["fit_batches", "partial_fit"])
def test_steps_that_are_told_what_they_would_learn(tmp_path, method):
    path = tmp_path / "t.csv"
    write(mixed(), path)
    frame = pd.read_csv(path)
    X, y = _x_and_y(frame, "y")
    known = [["blue", "green", "red", np.nan], [0, 1, 2, 3]]
    step = of_columns(
        ("kind", OneHotEncoder(categories=known), ["colour", "year"]),
        ("same", "passthrough", ["size"]),
    )
    model = make_streaming_pipeline(clone(step), regressor())
    last = regressor()
    if method == "fit_batches":
        model.fit_batches(from_csv(path, target="y", batch_size=77))
        last.fit(clone(step).fit_transform(X), y)
    else:
        Z = clone(step).fit_transform(X)
        for start in range(0, N, 75):
            part = slice(start, start + 75)
            model.partial_fit(X[part], y[part])
            last.partial_fit(Z[part], y[part])
    assert model[-1].stop_reason_ != "diverged"
    np.testing.assert_allclose(model[-1].coef_, last.coef_, 1e-9)


def test_steps_that_are_not_told_enough_are_named():
    step = of_columns(("kind", OneHotEncoder(), ["colour"]), ("s", "drop", []))
    model = StreamingPipeline([("columns", step), ("end", regressor())])
    with pytest.raises(TypeError, match=r"'columns' .*sake of its OneHotEncoder"):
        model.partial_fit(mixed()[["colour"]], mixed()["y"])
    told = OneHotEncoder(categories=[["a"]], min_frequency=2)
    model = make_streaming_pipeline(told, regressor())
    with pytest.raises(TypeError, match="cannot learn from batches"):
        model.partial_fit([["a"]], [1.0])


def test_an_error_leaves_a_step_that_was_to_be_fitted_unfitted():
    model = make_streaming_pipeline(OneHotEncoder(categories=[["a", "b"]]), regressor())
    with pytest.raises(ValueError, match="NaN"):
        model.partial_fit([["a"], ["b"]], [1.0, np.nan])
    with pytest.raises(NotFittedError):
        model[0].transform([["a"]])


# ---- 3. what from_csv is told --------------------------------------------------------

DIALECTS = {
    "semicolons": (
        "a;b;y\n1,5;x;2\n2,5;z;3,25\n-0,5;;1\n",
        {"sep": ";", "decimal": ","},
    ),
    "tabs": ("a\tb\ty\n1.5\tx\t2\n2.5\tz\t3.25\n", {"sep": "\t"}),
    "thousands": (
        'a,b,y\n"1,234.5",x,2\n"2,000",z,3.25\n7,z,"1,000"\n',
        {"thousands": ","},
    ),
    "German thousands": (
        "a;b;y\n1.234,5;x;2\n1.000;z;3,25\n",
        {"sep": ";", "decimal": ",", "thousands": "."},
    ),
    "whole thousands": (
        "a;b;y\n1 234;x;2\n2 000;z;3\n",
        {"sep": ";", "thousands": " "},
    ),
    "gaps": ("a,b,y\n1.5,?,2\n2.5,none,3.25\n", {"na_values": ["?", "none"]}),
    "no gaps": ("a,b,y\n1.5,NA,2\n2.5,z,3.25\n", {"keep_default_na": False}),
    "types": ("a,b,y\n1,007,2\n2,010,3\n", {"dtype": {"b": str, "a": "float32"}}),
    "a byte order mark": ("\ufeffa,b,y\n1.5,x,2\n", {}),
    "Latin": ("a,b,y\n1.5,é,2\n2.5,ö,3\n", {"encoding": "latin-1"}),
    "UTF-16": ("a,b,y\n1.5,é,2\n2.5,ö,3\n", {"encoding": "utf-16"}),
    "an index": (",a,b,y\n0,1.5,x,2\n1,2.5,z,3\n", {}),
    "twice a name": ("a,b,a,y\n0,x,1.5,2\n1,z,2.5,3\n", {}),
    "blank lines": ("a,b,y\n\n1.5,x,2\n\n2.5,z,3\n", {}),
    "windows": ("a,b,y\r\n1.5,x,2\r\n2.5,z,3\r\n", {}),
    "lines in a text": ('a,b,y\n1.5,"x\ny",2\n2.5,"say ""z""",3\n', {}),
    "truth": ("a,b,y\nTrue,x,2\nFalse,z,3\n", {}),
    "truth and gaps": ("a,b,y\nTrue,x,2\n,z,3\n", {}),
    "integers and gaps": ("a,b,y\n1,x,2\n,z,3\n", {}),
    "infinity": ("a,b,y\ninf,x,2\n-inf,z,3\n", {}),
    "dates": ("a,b,y\n2026-01-01,x,2\n2026-01-02,z,3\n", {}),
    "nothing": ("a,b,y\n,x,2\n,z,3\n", {}),
    "mixed": ("a,b,y\n1,x,2\nseven,z,3\n", {}),
}


@pytest.mark.parametrize("name", DIALECTS)
def test_frames_are_those_of_pandas(tmp_path, name):
    text, options = DIALECTS[name]
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode(options.get("encoding", "utf8")))
    expected = pd.read_csv(path, **options)
    (X, y), *more = from_csv(path, target="y", **options)
    assert not more
    pd.testing.assert_frame_equal(X, expected.drop(columns="y"))
    np.testing.assert_array_equal(y, expected["y"])


def test_wrong_dialects_are_told(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a;b;y\n1;2;3\n")
    with pytest.raises(ValueError, match="no column 'y'"):
        from_csv(path, target="y")
    with pytest.raises(ValueError, match="sep and decimal must be one character"):
        from_csv(path, target="y", sep="::")
    with pytest.raises(ValueError, match="no column 'z'"):
        from_csv(path, target="y", sep=";", dtype={"z": str})
    with pytest.raises(ValueError, match="dtype of column 'a' must be"):
        from_csv(path, target="y", sep=";", dtype={"a": "complicated"})


@pytest.mark.parametrize("way", ["folder", "glob", "home", "list", "deep glob"])
def test_compressed_files_and_patterns(tmp_path, monkeypatch, way):
    frame = mixed()
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "in").mkdir()
    for i, part in enumerate(np.array_split(np.arange(N), 3)):
        text = frame.iloc[part].to_csv(index=False)
        if i == 1:
            (tmp_path / "in" / f"{i}.csv").write_text(text)
        else:
            with gzip.open(tmp_path / "in" / f"{i}.csv.gz", "wt") as file:
                file.write(text)
    (tmp_path / "in" / "notes.txt").write_text("no table")
    path = {
        "folder": tmp_path / "in",
        "glob": str(tmp_path / "in" / "[0-9].csv*"),
        "home": "~/in",
        "list": sorted((tmp_path / "in").glob("*.csv*")),
        "deep glob": str(tmp_path / "**" / "*.csv*"),
    }[way]
    step = of_columns(("kind", OneHotEncoder(), ["colour", "year"]), remainder="drop")
    files = sorted((tmp_path / "in").glob("*.csv*"))
    whole = pd.concat([pd.read_csv(file) for file in files])
    assert_as_in_memory(step, from_csv(path, target="y"), *_x_and_y(whole, "y"))
    with pytest.raises(FileNotFoundError):
        from_csv(str(tmp_path / "in" / "x*.csv"), target="y")


@pytest.mark.parametrize("kind", ["bytes", "text", "file", "text file", "parquet"])
def test_open_files(tmp_path, kind):
    frame = mixed()[["size", "year", "y"]]
    path = tmp_path / "t.csv"
    frame.to_csv(path, index=False)
    read = from_csv
    if kind == "bytes":
        opened = io.BytesIO(path.read_bytes())
    elif kind == "text":
        opened = io.StringIO(path.read_text())
    elif kind == "parquet":
        opened, read = io.BytesIO(), from_parquet
        frame.to_parquet(opened)
    else:
        opened = path.open("rb" if kind == "file" else "r")
    with opened:
        stream = read(opened, target="y", batch_size=100)
        whole = regressor().fit(frame[["size", "year"]], frame["y"])
        for _ in range(2):
            model = regressor().fit_batches(stream)
            np.testing.assert_allclose(model.coef_, whole.coef_, 1e-9)
        # Two passes at a time do not disturb each other.
        for (_, first), (_, second) in zip(stream, stream, strict=True):
            np.testing.assert_array_equal(first, second)
        assert not opened.closed


def test_files_that_can_be_read_once():
    class Pipe(io.RawIOBase):
        def readable(self):
            return True

    with pytest.raises(ValueError, match=r"only once.*io\.BytesIO"):
        from_csv(Pipe(), target="y")


def test_types_are_decided_on_more_than_the_first_block(tmp_path, monkeypatch):
    from skgd.data import _csv

    monkeypatch.setattr(_csv, "CSV_BLOCK", 64)
    rows = [f"{i},{i},{i % 7}" for i in range(100)] + ["n/a,north,0.5", "7,8,9"]
    path = tmp_path / "t.csv"
    path.write_text("a,b,y\n" + "\n".join(rows))
    expected = pd.read_csv(path)
    batches = list(from_csv(path, target="y"))
    assert len(batches) > 5
    frame = pd.concat([X for X, _ in batches], ignore_index=True)
    pd.testing.assert_frame_equal(frame, expected[["a", "b"]])
    # Also over several files.
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.csv").write_text("a,y\n1,1\n2,2\n")
    (tmp_path / "in" / "2.csv").write_text("a,y\nx,1.5\n3,2\n")
    batches = list(from_csv(tmp_path / "in", target="y"))
    assert [X["a"].tolist() for X, _ in batches] == [["1", "2"], ["x", "3"]]
    assert [y.dtype for _, y in batches] == [np.float64] * 2


def test_errors_name_file_column_row_and_the_way_out(tmp_path, monkeypatch):
    from skgd.data import _csv

    path = tmp_path / "t.csv"
    path.write_text("a,y\n1,2\n" * 1 + "1,2\n" * 40 + "1,2,3\n1,2\n")
    with pytest.raises(ValueError, match=r"t\.csv .*got 3: 1,2,3.*It is line 43.*sep="):
        list(from_csv(path, target="y"))
    for name in ("CSV_BLOCK", "LOOK_BYTES", "LEAST_LOOK"):
        monkeypatch.setattr(_csv, name, 40)
    path.write_text("a,y\n" + "1,2\n" * 40 + "1,2\nx,2\n" + "1,2\n" * 9)
    found = r"t\.csv .*'x' of column 'a' in row 42.*dtype=\{'a': str\}.*na_values"
    with pytest.raises(ValueError, match=found):
        list(from_csv(path, target="y"))
    assert len(list(from_csv(path, target="y", dtype={"a": str}))) > 1
    gap = from_csv(path, target="y", na_values="x")
    with pytest.raises(
        ValueError, match=r"NaN.*\n(.*\n)*.*row 42 of column 'a' of .*t"
    ):
        regressor().fit_batches(gap)
    path.write_bytes(b"PAR1")
    with pytest.raises(ValueError, match="Parquet file: use from_parquet"):
        from_csv(path, target="y")
    path.write_text("a,y\n1,2\n")
    with pytest.raises(ValueError, match="looks like text: use from_csv"):
        from_parquet(path, target="y")


def test_files_of_a_header_only(tmp_path):
    (tmp_path / "1.csv").write_text("a,y\n")
    (tmp_path / "2.csv").write_text("a,y\n1,2\n2,3\n")
    stream = from_csv(tmp_path, target="y")
    assert [len(y) for _, y in stream if len(y)] == [2]
    with pytest.raises(ValueError, match="yields no rows"):
        regressor().fit_batches(from_csv(tmp_path / "1.csv", target="y"))


# ---- 4. other shapes of streams ------------------------------------------------------


class RowWise:
    """A dataset of single rows, as torch.utils.data.Dataset."""

    def __init__(self, X, y, as_row=lambda x, y: (x, y)):
        self.X, self.y, self.as_row = X, y, as_row

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        return self.as_row(self.X[i], self.y[i])


ROWS = {
    "arrays": lambda x, y: (x, y),
    "lists": lambda x, y: (x.tolist(), float(y)),
    "float32": lambda x, y: (x, np.float32(y)),
    "weights": lambda x, y: (x, y, 1.0),
    "two targets": lambda x, y: (x, np.array([y, -y])),
}


@pytest.mark.parametrize("kind", ROWS)
def test_datasets_of_single_rows(kind):
    X, y, _ = weighted()
    data = RowWise(X, y, ROWS[kind])
    whole = regressor().fit(X, np.column_stack([y, -y]) if kind == "two targets" else y)
    for stream in (data, list(data)):
        model = regressor().fit_batches(stream)
        np.testing.assert_allclose(model.coef_, whole.coef_, 1e-6)
    once = GDRegressor(lr=0.05, max_iter=1, tol=None, shuffle=False)
    model = clone(once).fit_batches(iter(list(data)))
    np.testing.assert_allclose(model.coef_, once.fit(X, data_y(kind, y)).coef_, 1e-6)


def data_y(kind, y):
    return np.column_stack([y, -y]) if kind == "two targets" else y


def test_rows_of_text_and_sparse_rows():
    X, y, _ = weighted()
    texts = [f"w{int(a)} w{int(b)}" for a, b, _ in X]
    step = HashingVectorizer(n_features=32)
    model = make_streaming_pipeline(step, regressor())
    model.fit_batches(list(zip(texts, y, strict=True)))
    whole = regressor().fit(step.transform(texts), y)
    np.testing.assert_allclose(model[-1].coef_, whole.coef_, 1e-9)
    rows = [(sparse.csr_array(X[[i]]), y[i]) for i in range(N)]
    whole = regressor().fit(sparse.csr_array(X), y)
    np.testing.assert_allclose(regressor().fit_batches(rows).coef_, whole.coef_, 1e-9)


def test_a_vector_beside_a_vector_is_no_row():
    X, y, _ = weighted()
    with pytest.raises(ValueError, match="Expected 2D array, got 1D"):
        regressor().fit_batches([(X[:, 0], y)])


@pytest.mark.parametrize("form", ["coo", "csc", "lil", "csr"])
@pytest.mark.parametrize("kind", ["array", "matrix"])
def test_sparse_matrices_of_any_format(form, kind):
    X, y, _ = weighted()
    X = np.where(X > 0, X, 0)
    S = getattr(sparse, f"{form}_{kind}")(X)
    whole = regressor().fit(sparse.csr_array(X), y)
    model = regressor().fit_batches(from_arrays(S, y, batch_size=77))
    np.testing.assert_allclose(model.coef_, whole.coef_, 1e-9)
    halves = [(S.tocsr()[:150].asformat(form), y[:150]), (S.tocsr()[150:], y[150:])]
    np.testing.assert_allclose(regressor().fit_batches(halves).coef_, whole.coef_, 1e-9)


@pytest.mark.parametrize("fixed", [True, False])
def test_columns_of_embeddings(tmp_path, fixed):
    import pyarrow as pa
    import pyarrow.parquet as pq

    X, y, _ = weighted()
    kind = pa.list_(pa.float32(), 3 if fixed else -1)
    table = pa.table({"v": pa.array(X.tolist(), kind), "b": y * 2, "y": y})
    path = tmp_path / "t.parquet"
    pq.write_table(table, path)
    model = regressor().fit_batches(from_parquet(path, target="y", batch_size=77))
    frame = pd.read_parquet(path)
    Z = np.column_stack([np.stack(frame["v"]), frame["b"]])
    np.testing.assert_allclose(model.coef_, regressor().fit(Z, y).coef_, 1e-6)
    assert model.feature_names_in_.tolist() == ["v_0", "v_1", "v_2", "b"]
    if not fixed:
        rows = [*X.tolist()[:-1], [1.0, 2.0]]
        pq.write_table(pa.table({"v": pa.array(rows, kind), "y": y}), path)
        with pytest.raises(
            ValueError, match=rf"Row {N} of column 'v' of .*length|row {N}"
        ):
            regressor().fit_batches(from_parquet(path, target="y"))


def test_one_table_is_a_stream_of_one_batch():
    pl = pytest.importorskip("polars")
    import pyarrow as pa

    X, y, _ = weighted()
    frame = pd.DataFrame(X, columns=list("abc")).assign(y=y)
    whole = regressor().fit(X, y)
    for table in (frame, pl.from_pandas(frame), pa.Table.from_pandas(frame)):
        model = regressor().fit_batches(table, target="y")
        np.testing.assert_allclose(model.coef_, whole.coef_, 1e-9)
        with pytest.raises(ValueError, match=r"fit_batches\(frame, target=\.\.\.\)"):
            regressor().fit_batches(table)


def test_a_path_in_the_wrong_place(tmp_path):
    path = tmp_path / "t.csv"
    for wrong in (path, str(path), str(path.with_suffix(".parquet"))):
        reader = "from_parquet" if str(wrong).endswith("parquet") else "from_csv"
        with pytest.raises(TypeError, match=rf"use skgd\.data: fit_batches\({reader}"):
            regressor().fit_batches(wrong, target="y")
        with pytest.raises(TypeError, match="takes arrays, got the path"):
            from_arrays(wrong, [1.0])


def test_labels_of_other_types_in_other_files(tmp_path):
    for name, labels in (("1", [0, 1]), ("2", ["a", "b"])):
        frame = pd.DataFrame({"x": [1.0, 2.0], "kind": labels})
        frame.to_parquet(tmp_path / f"{name}.parquet")
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    found = r"'kind' holds int64 in .*1\.parquet and .*string in .*2\.parquet"
    with pytest.raises(ValueError, match=found):
        classifier().fit_batches(from_parquet(tmp_path, target="kind"))
    # In text there is a common type.
    model = classifier().fit_batches(from_csv(tmp_path, target="kind"))
    assert model.classes_.tolist() == ["0", "1", "a", "b"]
    pd.DataFrame({"x": [1.0, 2.0], "kind": [1, None]}).to_parquet(
        tmp_path / "2.parquet"
    )
    with pytest.raises(
        ValueError, match=r"NaN: row 2 of column 'kind' of .*2\.parquet"
    ):
        classifier().fit_batches(from_parquet(tmp_path, target="kind"))


@pytest.mark.parametrize("values", [[1, 2, 3], ["a b", "c", "ä=1"]])
def test_folders_that_name_values(tmp_path, values):
    frame = mixed()
    frame["part"] = np.resize(np.array(values, dtype=object), N)
    frame.to_parquet(tmp_path / "t", partition_cols=["part"])
    expected = pd.read_parquet(tmp_path / "t")
    stream = from_parquet(tmp_path / "t", target="y", batch_size=77)
    assert stream.columns == [name for name in expected.columns if name != "y"]
    frames = [X for X, _ in stream]
    assert all((X.dtypes == expected.drop(columns="y").dtypes).all() for X in frames)
    step = of_columns(("kind", OneHotEncoder(), ["part", "colour"]), remainder="drop")
    assert_as_in_memory(step, stream, *_x_and_y(expected, "y"))
    if values == [1, 2, 3]:
        numbers = from_parquet(tmp_path / "t", target="y", columns=["size", "part"])
        X = expected[["size", "part"]].astype(float)
        whole = regressor().fit(X, expected["y"])
        model = regressor().fit_batches(numbers)
        np.testing.assert_allclose(model.coef_, whole.coef_, 1e-9)


def test_the_index_of_a_frame_is_no_feature(tmp_path):
    frame = mixed()[["size", "y"]][::-1]
    frame.to_parquet(tmp_path / "t.parquet")
    assert from_parquet(tmp_path / "t.parquet", target="y").columns == ["size"]


def test_a_fitted_step_that_is_cloned():
    X, y, _ = weighted()
    fitted = ColumnTransformer([("s", StandardScaler(), [0, 1, 2])]).fit(X)
    model = clone(make_streaming_pipeline(fitted, regressor()))
    with pytest.raises(TypeError, match=r"survive clone.*FrozenEstimator"):
        model.partial_fit(X, y)
    model = clone(make_streaming_pipeline(FrozenEstimator(fitted), regressor()))
    model.partial_fit(X, y)
    assert cross_val_score(model, X, y).min() > 0.5


def test_many_columns(tmp_path):
    """Names are looked up, not searched: 5,000 columns take no seconds."""
    names = [f"c{i}" for i in range(5_000)]
    frame = pd.DataFrame(np.eye(3, 5_000), columns=names).assign(y=[1.0, 2.0, 3.0])
    for suffix in ("csv", "parquet"):
        read, _ = write(frame, tmp_path / f"t.{suffix}")
        (X, _), *_ = read(tmp_path / f"t.{suffix}", target="y")
        np.testing.assert_array_equal(X.to_numpy(), frame[names])


# ---- tensors -------------------------------------------------------------------------


class Tensor:
    """What a stream looks at in a tensor of PyTorch."""

    def __init__(self, array, device="cpu", dtype="torch.float64", layout="strided"):
        self.array, self.dtype, self.layout = np.asarray(array), dtype, layout
        self.device = SimpleNamespace(type=device)

    def detach(self):
        return self

    def float(self):
        return Tensor(self.array.astype(np.float32))

    def numpy(self):
        if self.dtype == "torch.bfloat16":
            raise TypeError("Got unsupported ScalarType BFloat16")
        return self.array


Tensor.__module__ = "torch"


class Loader:
    """A DataLoader: a fresh iterator of lists for each pass."""

    def __init__(self, X, y, **options):
        self.parts = [(X[:100], y[:100]), (X[100:], y[100:])]
        self.options = options

    def __iter__(self):
        for X, y in self.parts:
            yield [Tensor(X, **self.options), Tensor(y)]


def test_tensors_and_their_loaders():
    X, y, _ = weighted()
    whole = regressor().fit(X, y)
    model = regressor().fit_batches(Loader(X, y))
    np.testing.assert_allclose(model.coef_, whole.coef_, 1e-12)
    rows = RowWise(X, y, lambda x, y: (Tensor(x), Tensor(y)))
    np.testing.assert_allclose(regressor().fit_batches(rows).coef_, whole.coef_, 1e-12)
    model = make_streaming_pipeline(StandardScaler(), regressor())
    model.fit_batches(Loader(X, y))
    assert model[0].n_samples_seen_ == N
    half = regressor().fit_batches(Loader(X, y, dtype="torch.bfloat16"))
    np.testing.assert_allclose(half.coef_, whole.coef_, 1e-3)
    with pytest.raises(TypeError, match=r"torch Tensor.*force=True"):
        regressor().fit_batches(Loader(X, y, device="cuda"))
    with pytest.raises(TypeError, match="sparse tensors"):
        regressor().fit_batches(Loader(X, y, layout="torch.sparse_coo"))


def test_with_torch_itself():
    torch = pytest.importorskip("torch")
    from torch.utils.data import DataLoader, TensorDataset

    X, y, _ = weighted()
    data = TensorDataset(torch.tensor(X), torch.tensor(y))
    whole = regressor().fit(X, y)
    for stream in (data, DataLoader(data, batch_size=77)):
        model = regressor().fit_batches(stream)
        np.testing.assert_allclose(model.coef_, whole.coef_, 1e-9)


def test_streams_survive_pickling(tmp_path):
    path = tmp_path / "t.csv"
    read, _ = write(mixed(), path)
    stream = pickle.loads(pickle.dumps(read(path, target="y", columns=["size"])))
    assert json.dumps(stream.columns) == '["size"]'
    assert regressor().fit_batches(stream).coef_.shape == (1,)
