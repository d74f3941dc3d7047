"""Compiled code on disk: kept where that works, and never a reason to fail.

Also the only test that looks at what the package uses of Numba's insides.
"""

import concurrent.futures
import inspect
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numba
import pytest
from numba import types

import skgd
from skgd._kernels import cache, compiling

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
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
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
    save = cache.TolerantCache._save_overload

    def deleted_first(*arguments):
        if (tmp_path / "cache").is_dir():
            shutil.rmtree(tmp_path / "cache")
            (tmp_path / "cache").write_text("in the way")
        save(*arguments)

    monkeypatch.setattr(cache.TolerantCache, "_save_overload", deleted_first)
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


def test_no_folder_to_write_to(compiled, monkeypatch):
    monkeypatch.setattr(cache.TolerantCache._impl_class, "_locator_classes", [])
    assert hits(compiled()) == 0
    assert "no folder that can be written to" in cache.failures[0]


def test_another_numba_has_no_cache(compiled, monkeypatch):
    monkeypatch.setattr(cache, "FunctionCache", None)
    assert hits(compiled()) == 0
    assert "its version of Numba" in cache.failures[0]


def test_what_is_used_of_numba():
    """When this fails, ``skgd/_kernels/cache.py`` needs a look."""
    from numba.core.caching import FunctionCache, IndexDataCacheFile
    from numba.core.ccallback import CFunc

    assert list(inspect.signature(CFunc).parameters)[:4] == [
        "pyfunc",
        "sig",
        "locals",
        "options",
    ]
    assert {"load_overload", "save_overload", "_save_overload"} <= set(
        dir(FunctionCache)
    )
    assert list(inspect.signature(IndexDataCacheFile).parameters) == [
        "cache_path",
        "filename_base",
        "source_stamp",
    ]
    for name in ("_load_data", "_save_data", "_dump", "_data_path", "_open_for_write"):
        assert callable(getattr(IndexDataCacheFile, name))
    found = FunctionCache(plus_one)
    assert found._impl.filename_base
    assert found._impl.locator.get_source_stamp()
    assert found._cache_file._index_path.endswith(".nbi")
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
    assert "NUMBA_CACHE_DIR" in told.messages[0]


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
    out, err = run(SHUFFLE, NUMBA_CACHE_DIR=str(tmp_path / "file" / "cache"))
    # Numba goes on to the folder of the package, or to that of the user.
    assert out.endswith("[]"), err


def test_a_package_in_a_zip_archive(tmp_path):
    archive = tmp_path / "app.pyz"
    package = Path(skgd.__file__).parent
    with zipfile.ZipFile(archive, "w") as file:
        for source in package.rglob("*.py"):
            file.write(source, source.relative_to(package.parent))
    out, err = run("import skgd; print(skgd.__file__)\n" + SHUFFLE, archive)
    assert "app.pyz" in out, err
    # Numba keeps nothing of an archive of this name, and that is said.
    assert "no folder that can be written to" in out


def test_without_compilation_a_sentence_says_so():
    code = """
from skgd import GDRegressor
GDRegressor(lr=0.1, max_iter=1, tol=None).fit([[0.0], [1.0]], [0.0, 1.0])
"""
    _, err = run(code, NUMBA_DISABLE_JIT="1")
    assert "RuntimeError: skgd trains with compiled code, which NUMBA_DISABLE" in err
