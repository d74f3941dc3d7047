"""Compiled code on disk: kept where that works, and never a reason to fail.

Also the only test that looks at what the package uses of Numba's insides.
"""

import concurrent.futures
import inspect
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numba
import pytest
from numba import types

import skgd
from skgd import __main__, _warmup
from skgd._kernels import cache, compiling, user_code
from skgd.activations import ACTIVATIONS
from skgd.losses import LOSSES
from skgd.optimizers import OPTIMIZERS

SIGNATURE = types.float64(types.float64)
COMPILERS = [cache.compiled_callback, cache.compiled_function]


def plus_one(x):
    return x + 1.0


def value(compiled, x):
    """Of a function of C, or of Python."""
    return getattr(compiled, "ctypes", compiled)(x)


def hits(compiled):
    """How often code was found on disk."""
    if hasattr(compiled, "ctypes"):
        return compiled.cache_hits
    return sum(compiled.stats.cache_hits.values())


@pytest.fixture(params=COMPILERS, ids=["callback", "function"])
def compiled(request, tmp_path, monkeypatch):
    """Compile `plus_one` as a new process would, with a folder of its own."""
    monkeypatch.setattr(cache, "folders", lambda: [str(tmp_path / "cache" / "one")])
    monkeypatch.setattr(cache, "failures", [])

    def compile_it():
        copy = compiling.renamed(plus_one, "plus_one-of-a-test")
        found = request.param(copy, SIGNATURE, dict(compiling.OPTIONS))
        assert value(found, 2.0) == 3.0
        return found

    return compile_it


def files(tmp_path, ending):
    found = sorted((tmp_path / "cache").rglob(f"*.{ending}"))
    assert found
    return found


def test_code_is_kept(compiled):
    assert hits(compiled()) == 0
    assert hits(compiled()) == 1
    assert cache.failures == []


DAMAGE = {
    "empty": lambda content: b"",
    "truncated": lambda content: content[: len(content) // 2],
    "foreign": lambda content: b"%PDF-1.7 " + bytes(range(256)),
    "one bit": lambda content: content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
    "of pickle": lambda content: b"\x80\x04K\x01.",
}


@pytest.mark.parametrize("ending", ["nbi", "nbc"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_broken_file_is_made_anew(compiled, tmp_path, ending, damage):
    compiled()
    (file,) = files(tmp_path, ending)
    file.write_bytes(DAMAGE[damage](file.read_bytes()))
    again = compiled()
    if ending == "nbc":
        assert hits(again) == 0
    assert cache.failures == []
    assert hits(compiled()) == 1


@pytest.mark.parametrize("ending", ["nbi", "nbc"])
def test_a_folder_in_the_place_of_a_file(compiled, tmp_path, ending):
    compiled()
    (file,) = files(tmp_path, ending)
    file.unlink()
    file.mkdir()
    assert hits(compiled()) == 0
    assert cache.failures


def test_a_folder_that_is_deleted_is_made_again(compiled, tmp_path):
    compiled()
    shutil.rmtree(tmp_path / "cache")
    assert hits(compiled()) == 0
    assert hits(compiled()) == 1


def test_a_folder_that_is_deleted_while_code_is_compiled(
    compiled, tmp_path, monkeypatch
):
    save = cache.SealedFiles.save

    def deleted_first(*arguments):
        if (tmp_path / "cache").is_dir():
            shutil.rmtree(tmp_path / "cache")
            (tmp_path / "cache").write_text("in the way")
        save(*arguments)

    monkeypatch.setattr(cache.SealedFiles, "save", deleted_first)
    assert hits(compiled()) == 0
    assert len(cache.failures) == 1


@pytest.mark.parametrize("step", ["open", "replace"])
def test_a_full_disk(compiled, tmp_path, monkeypatch, step):
    def full(*arguments, **others):
        raise OSError(28, "No space left on device")

    if step == "open":
        monkeypatch.setattr(cache.SealedFiles, "_open_for_write", full)
    else:
        monkeypatch.setattr(os, "replace", full)
    assert hits(compiled()) == 0
    assert "No space left" in cache.failures[0]
    monkeypatch.undo()
    assert not list((tmp_path / "cache").rglob("*.tmp*"))


def test_no_folder_to_write_to(compiled, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    places = [str(tmp_path / "file" / name) for name in ("one", "two")]
    monkeypatch.setattr(cache, "folders", lambda: places)
    assert hits(compiled()) == 0
    (failure,) = cache.failures
    # The first is the one that somebody meant.
    assert places[0] in failure


def test_code_is_found_in_any_folder_and_kept_in_the_first_that_works(
    compiled, tmp_path, monkeypatch
):
    (tmp_path / "file").write_text("in the way")
    places = [str(tmp_path / name) for name in ("file/none", "cache/one", "cache/two")]
    monkeypatch.setattr(cache, "folders", lambda: places)
    assert hits(compiled()) == 0
    assert hits(compiled()) == 1
    assert {path.parent.name for path in files(tmp_path, "nbc")} == {"one"}
    (tmp_path / "cache" / "one").rename(tmp_path / "cache" / "two")
    assert hits(compiled()) == 1
    assert not (tmp_path / "cache" / "one").exists()
    assert cache.failures == []


def test_no_two_functions_share_a_file():
    functions = {
        getattr(cls, name)
        for registry, name in (
            (LOSSES, "value_and_derivative"),
            (OPTIMIZERS, "update"),
            (ACTIVATIONS, "apply"),
        )
        for cls in registry.values()
    }
    names = {cache.file_name(compiling.renamed(one, "same")) for one in functions}
    assert len(names) == len(functions)


def test_functions_that_differ_in_a_constant_alone(tmp_path, monkeypatch):
    """The bytecode of hinge and perceptron is the same, which is all Numba compares."""
    monkeypatch.setattr(cache, "folders", lambda: [str(tmp_path / "cache" / "one")])
    functions = [
        compiling.renamed(LOSSES[name].value_and_derivative, "same")
        for name in ("hinge", "perceptron")
    ]
    assert functions[0].__code__.co_code == functions[1].__code__.co_code
    signature = user_code.loss_signature()
    for function in functions:
        found = cache.compiled_callback(function, signature, dict(compiling.OPTIONS))
        assert found.cache_hits == 0


def test_damage_in_one_folder_leaves_the_next(compiled, tmp_path, monkeypatch):
    places = [str(tmp_path / "cache" / name) for name in ("one", "two")]
    monkeypatch.setattr(cache, "folders", lambda: places)
    compiled()
    shutil.copytree(places[0], places[1])
    for file in Path(places[0]).iterdir():
        file.write_bytes(DAMAGE["foreign"](b""))
    assert hits(compiled()) == 1


def test_two_processors_that_write_at_the_same_time(compiled, tmp_path, monkeypatch):
    """Each has read the index before the other writes: both take the same number."""
    here = cache.TolerantCache._index_key

    def elsewhere(self, signature, codegen):
        signature, _, code = here(self, signature, codegen)
        return signature, ("another", "processor", ""), code

    compiled()
    (code,), (index,) = files(tmp_path, "nbc"), files(tmp_path, "nbi")
    ours = code.read_bytes(), index.read_bytes()
    shutil.rmtree(tmp_path / "cache")
    with monkeypatch.context() as context:
        context.setattr(cache.TolerantCache, "_index_key", elsewhere)
        compiled()
    assert files(tmp_path, "nbc") == [code]
    # The last to write the code is not the last to write the index.
    index.write_bytes(ours[1])
    assert code.read_bytes() != ours[0]
    assert hits(compiled()) == 0
    assert hits(compiled()) == 1
    assert cache.failures == []


def test_the_order_of_the_folders(monkeypatch):
    monkeypatch.setenv(cache.VARIABLE, "/named")
    monkeypatch.setattr(numba.config, "CACHE_DIR", "/of-numba")
    monkeypatch.setenv("XDG_CACHE_HOME", "/home/cache")
    first, second, package, own = (Path(path).parent for path in cache.folders())
    assert (str(first), str(second)) == ("/named", "/of-numba")
    assert package == Path(skgd.__file__).parent / "__pycache__"
    if sys.platform == "linux":
        assert str(own) == "/home/cache/skgd"
    monkeypatch.delenv(cache.VARIABLE)
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    assert [Path(path).parent for path in cache.folders()] == [package, own]


def test_options_that_change_code_have_folders_of_their_own(monkeypatch):
    before = cache.folders()
    checked = numba.config.BOUNDSCHECK
    monkeypatch.setattr(numba.config, "BOUNDSCHECK", 0 if checked else 1)
    assert not set(before) & set(cache.folders())


def test_another_numba_has_no_cache(compiled, monkeypatch):
    monkeypatch.setattr(cache, "FunctionCache", None)
    assert hits(compiled()) == 0
    assert "its version of Numba" in cache.failures[0]


def test_what_is_used_of_numba():
    """When this fails, ``skgd/_kernels/cache.py`` needs a look."""
    from numba.core.caching import (
        CompileResultCacheImpl,
        FunctionCache,
        IndexDataCacheFile,
    )
    from numba.core.ccallback import CFunc
    from numba.misc.appdirs import AppDirs

    assert list(inspect.signature(CFunc).parameters)[:4] == [
        "pyfunc",
        "sig",
        "locals",
        "options",
    ]
    assert {"load_overload", "save_overload", "_index_key"} <= set(dir(FunctionCache))
    assert {"reduce", "rebuild", "check_cachable"} <= set(dir(CompileResultCacheImpl))
    assert AppDirs(appname="skgd", appauthor=False).user_cache_dir
    assert list(inspect.signature(IndexDataCacheFile).parameters) == [
        "cache_path",
        "filename_base",
        "source_stamp",
    ]
    for name in ("_load_data", "_save_data", "_dump", "_data_path", "_open_for_write"):
        assert callable(getattr(IndexDataCacheFile, name))
    assert IndexDataCacheFile("x", "y", 0)._index_path.endswith(".nbi")
    for name in cache.OPTIONS:
        assert hasattr(numba.config, name), name
    assert hasattr(numba.njit(plus_one), "_cache")


def test_only_one_module_knows_numbas_cache():
    for path in Path(skgd.__file__).parent.rglob("*.py"):
        text = path.read_text()
        assert path.name == "cache.py" or "numba.core.caching" not in text, path
        assert path.name == "cache.py" or "numba.core.ccallback" not in text, path


# --------------------------------------------------------------- what users are told


@pytest.fixture
def told(monkeypatch, caplog):
    monkeypatch.setattr(compiling, "_waited", 0.0)
    monkeypatch.setattr(compiling, "_told", set())
    monkeypatch.setattr(cache, "failures", [])
    return caplog


def test_the_notice_says_that_code_is_kept(told):
    compiling._tell_of_waiting(1.0)
    assert told.messages == []
    for _ in range(2):
        compiling._tell_of_waiting(5.0)
    assert len(told.messages) == 1
    assert "the result is kept on disk" in told.messages[0]


def test_the_notice_says_that_code_could_not_be_kept(told):
    cache.failures.append("[Errno 28] No space left on device")
    for _ in range(2):
        compiling._tell_of_waiting(5.0)
    assert len(told.messages) == 1
    assert "could not be kept on disk ([Errno 28] No space" in told.messages[0]
    assert "SKGD_CACHE_DIR" in told.messages[0]


def test_the_notice_is_corrected_when_the_disk_fills_up(told):
    compiling._tell_of_waiting(5.0)
    cache.failures.append("full")
    for _ in range(2):
        compiling._tell_of_waiting(5.0)
    assert ["kept" in message for message in told.messages] == [True, True]
    assert "could not be kept" in told.messages[1]


# ------------------------------------------------------------------- other processes

SHUFFLE = """
import numpy as np
from skgd._kernels import cache, compiling, shuffling
kernel = compiling.kernel(shuffling.shuffle, shuffling.shuffle_signature())
order = np.arange(6)
kernel(order, 3)
print(order.tolist(), sum(kernel.stats.cache_hits.values()), cache.failures)
"""


def run(code, path=None, **environment):
    root = str(Path(skgd.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(path or root)} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
        # Python looks into the working directory first.
        cwd=Path(path).parent if path else None,
    )
    return done.stdout.strip(), done.stderr


def test_processes_at_the_same_time(tmp_path):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        done = list(
            pool.map(
                lambda _: run(SHUFFLE, NUMBA_CACHE_DIR=str(tmp_path)),
                range(3),
            )
        )
    results = {out.partition("]")[0] for out, _ in done}
    assert len(results) == 1, done
    assert all(out.endswith("[]") for out, _ in done), done
    assert run(SHUFFLE, NUMBA_CACHE_DIR=str(tmp_path))[0].endswith("] 1 []")


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    out, err = run(SHUFFLE, SKGD_CACHE_DIR=str(tmp_path / "file" / "cache"))
    # The next are the folder of the package and that of the user.
    assert out.endswith("[]"), err


def test_a_package_in_a_zip_archive(tmp_path):
    archive = tmp_path / "app.pyz"
    package = Path(skgd.__file__).parent
    with zipfile.ZipFile(archive, "w") as file:
        for source in package.rglob("*.py"):
            file.write(source, source.relative_to(package.parent))
    code = "import skgd; print(skgd.__file__)\n" + SHUFFLE
    home = {"XDG_CACHE_HOME": str(tmp_path / "home"), "SKGD_CACHE_DIR": ""}
    outs = [run(code, archive, **home)[0] for _ in range(2)]
    assert all("app.pyz" in out for out in outs), outs
    assert [out[-4:] for out in outs] == ["0 []", "1 []"]


# ---------------------------------------------------------------------- in a container

AS_NOBODY = """
import os
os.setgid(65534)
os.setuid(65534)
"""

SERVICE = """
import numpy as np
from scipy.sparse import csr_array
from skgd import GDClassifier
from skgd._kernels import cache
compiled = []
cache.TolerantCache.save_overload = lambda self, *_: compiled.append(self._name)
X = np.random.default_rng(0).normal(size=(200, 3))
GDClassifier(max_iter=2).fit(X, X[:, 0] > 0)
GDClassifier(max_iter=2).fit(X, X.argmax(axis=1))
rows = csr_array(X)
GDClassifier(max_iter=2).fit(rows, X[:, 0] > 0)
GDClassifier().partial_fit(rows, X.argmax(axis=1), classes=range(3))
print(compiled, cache.failures)
"""

WARMUP_OF_ONE_KERNEL = """
import skgd.__main__ as program
import skgd._warmup as warmup
from skgd._kernels import compiling, shuffling
warmup._train = lambda *arguments: compiling.kernel(
    shuffling.shuffle, shuffling.shuffle_signature()
)
raise SystemExit(program.main(["warmup", "--estimator", "GDRegressor"]))
"""


class Image:
    """A copy of the package that root owns, for a user without a home."""

    def __init__(self, folder):
        self.folder = folder
        folder.chmod(0o755)
        self.package = folder / "site" / "skgd"
        source = Path(skgd.__file__).parent
        hidden = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, self.package, ignore=hidden)
        libraries = Path(numba.__file__).parents[1]
        self.environment = {
            "PYTHONPATH": os.pathsep.join([str(folder / "site"), str(libraries)]),
            "HOME": "/nonexistent",
            "XDG_CACHE_HOME": "/nonexistent/cache",
            "PYTHONDONTWRITEBYTECODE": "1",
            # Those of whoever runs the tests.
            "SKGD_CACHE_DIR": "",
            "NUMBA_CACHE_DIR": "",
        }
        version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        for self.python in (sys.executable, f"/usr/bin/{version}"):
            if (
                os.access(self.python, os.X_OK)
                and not self.run(
                    "-c", AS_NOBODY + "import numba, sklearn, skgd"
                ).returncode
            ):
                return
        pytest.skip("another user may not run Python here, or not read its libraries")

    def run(self, *arguments, **environment):
        return subprocess.run(
            [self.python, *arguments],
            env=os.environ | self.environment | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=500,
            cwd="/",
        )

    def kept(self, place):
        """The folder of compiled code, and the variables that name it."""
        if place == "package":
            return self.package / "__pycache__", {}
        named = self.folder / "cache"
        return named, {"SKGD_CACHE_DIR": str(named)}


@pytest.fixture
def image():
    if getattr(os, "geteuid", lambda: 1)() != 0:
        pytest.skip("only root becomes another user")
    # The folders that pytest makes are for their owner alone.
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Image(Path(folder))


@pytest.mark.parametrize(
    "place", ["named", pytest.param("package", marks=pytest.mark.slow)]
)
def test_another_user_without_a_home_reads_what_root_has_compiled(image, place):
    kept, variables = image.kept(place)
    made = image.run("-c", SHUFFLE, **variables)
    assert made.stdout.strip().endswith("] 0 []"), made.stderr
    before = sorted(kept.rglob("*.nbc"))
    assert before
    served = image.run("-c", AS_NOBODY + SHUFFLE, **variables)
    assert served.stdout == made.stdout.replace("] 0 []", "] 1 []"), served.stderr
    assert sorted(kept.rglob("*.nbc")) == before


def test_another_user_without_a_home_and_without_a_cache(image):
    served = image.run("-c", AS_NOBODY + SHUFFLE)
    assert "] 0 [" in served.stdout
    assert "Permission denied" in served.stdout
    warmup = image.run("-c", AS_NOBODY + WARMUP_OF_ONE_KERNEL)
    assert warmup.returncode == 1
    assert "Not all could be kept on disk" in warmup.stderr


@pytest.mark.slow
@pytest.mark.parametrize("place", ["named", "package"])
def test_a_service_compiles_nothing_after_the_warmup(image, place):
    kept, variables = image.kept(place)
    options = ["--cache-dir", str(kept)] if place == "named" else []
    options += ["--estimator", "GDClassifier", "--several-outputs", "--sparse"]
    options += ["--jobs", "2"]
    made = image.run("-m", "skgd", "warmup", *options)
    assert made.returncode == 0, made.stderr
    assert "GDClassifier (float64, dense): ready" in made.stdout
    assert "GDClassifier (float64, csr): ready" in made.stdout
    assert f"Compiled code is kept in {kept}" in made.stdout
    served = image.run("-c", AS_NOBODY + SERVICE, **variables)
    assert served.stdout.strip() == "[] []", served.stderr
    assert "compiling" not in served.stderr


class Inside:
    """A pool of processes that are none."""

    def __init__(self, n_workers, context):
        self.n_workers = n_workers
        assert context.get_start_method() == "spawn"

    def __enter__(self):
        print(f"{self.n_workers} processes")
        return self

    def __exit__(self, *error):
        pass

    map = staticmethod(map)


@pytest.mark.parametrize("jobs", [1, 3, 99])
def test_what_is_compiled_by_how_many(jobs, monkeypatch, capsys):
    kinds = []
    monkeypatch.setattr(_warmup, "ProcessPoolExecutor", Inside)
    monkeypatch.setattr(
        _warmup, "_compile", lambda kind, outputs: kinds.append((*kind, outputs)) or []
    )
    options = ["--sparse", "--float32", "--several-outputs", "--jobs", str(jobs)]
    assert __main__.main(["warmup", *options]) == 0
    assert len(kinds) == len({(*kind[:2], kind[2][0]) for kind in kinds}) == 8
    assert all(outputs == [1, 2] for *_, outputs in kinds)
    out = capsys.readouterr().out
    processes = {1: None, 3: "3 processes", 99: "8 processes"}[jobs]
    assert processes is None or processes in out
    assert ("processes" in out) == (jobs > 1)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_the_warmup_says_what_could_not_be_kept(jobs, monkeypatch, capsys):
    monkeypatch.setattr(_warmup, "ProcessPoolExecutor", Inside)
    monkeypatch.setattr(
        _warmup,
        "_compile",
        lambda kind, outputs: ["disk full"] if kind[2] == ["MLPGD"] else [],
    )
    assert __main__.main(["warmup", "--jobs", jobs]) == 1
    assert "Not all could be kept on disk: disk full." in capsys.readouterr().err
    assert __main__.main(["warmup", "--estimator", "GDRegressor"]) == 0


def test_a_warmup_needs_a_process(capsys):
    with pytest.raises(SystemExit):
        __main__.main(["warmup", "--jobs", "0"])
    assert "--jobs must be 1 or more, not 0" in capsys.readouterr().err


def test_without_compilation_a_sentence_says_so():
    code = """
from skgd import GDRegressor
GDRegressor(lr=0.1, max_iter=1, tol=None).fit([[0.0], [1.0]], [0.0, 1.0])
"""
    _, err = run(code, NUMBA_DISABLE_JIT="1")
    assert "RuntimeError: skgd trains with compiled code, which NUMBA_DISABLE" in err
