"""Compiled code on disk, where that works; the only place that knows Numba's insides.

A file that is broken or foreign is removed and made anew. A disk that is full, a home
that cannot be written to or a folder that has gone cost the time to compile again, and
nothing else. ``tests/kernels/test_cache.py`` notices when Numba changes what is used
here.
"""

import contextlib
import functools
import logging
import os
import pickle
from importlib import resources
from zlib import crc32

import numba

try:
    from numba.core.caching import FunctionCache, IndexDataCacheFile
    from numba.core.ccallback import CFunc
except ImportError:  # another Numba than those known: compile without a cache
    FunctionCache = None

# The modules, besides this folder and the penalties, whose functions end up in compiled
# code.
REGISTRIES = ("activations", "losses", "optimizers")

# Why something was not kept on disk, in this process: for the notice to users.
failures = []


@functools.cache
def version():
    """Checksum of all sources of the package that end up in compiled code.

    Read as resources of the package, so that it may lie in a zip archive. None if they
    cannot be found: then nothing says which files on disk are of today.
    """
    root = resources.files(__package__.partition(".")[0])
    checksum = 0
    try:
        sources = [root / f"{name}.py" for name in REGISTRIES]
        for folder in (root / __package__.rpartition(".")[2], root / "penalties"):
            found = [one for one in folder.iterdir() if one.name.endswith(".py")]
            sources += sorted(found, key=lambda one: one.name)
        for source in sources:
            checksum = crc32(source.read_bytes(), checksum)
    except (OSError, KeyError):
        return None
    return checksum


def _failed(error):
    failures.append(str(error) or type(error).__name__)
    logging.getLogger("skgd").debug("Compiled code could not be kept: %r", error)


def _cache_of(function):
    """The cache for a function, or None where there can be none."""
    if FunctionCache is None or version() is None:
        failures.append("this installation, or its version of Numba, has no cache")
        return None
    try:
        return TolerantCache(function)
    except RuntimeError:
        failures.append("there is no folder that can be written to")
    except Exception as error:
        _failed(error)
    return None


if FunctionCache is not None:

    class SealedFiles(IndexDataCacheFile):
        """Numba's files of one function, with a checksum in front of the code.

        Numba takes code as it finds it; damaged code would end the process.
        """

        def _save_data(self, name, data):
            data = self._dump(data)
            with self._open_for_write(self._data_path(name)) as file:
                file.write(_seal(data))
                file.write(data)

        def _load_data(self, name):
            path = self._data_path(name)
            with open(path, "rb") as file:
                content = file.read()
            size = len(_seal(b""))
            seal, data = content[:size], content[size:]
            if seal != _seal(data):
                # To Numba the file is one that is not there: it is written anew.
                raise OSError(f"{path} is damaged")
            return pickle.loads(data)

    class TolerantCache(FunctionCache):
        """Numba's cache of one function, that never lets a fit fail."""

        def __init__(self, function):
            super().__init__(function)
            self._cache_file = SealedFiles(
                self._cache_path,
                self._impl.filename_base,
                self._impl.locator.get_source_stamp(),
            )

        def load_overload(self, sig, target_context):
            """What is kept for a signature, or None."""
            try:
                return super().load_overload(sig, target_context)
            except Exception as error:
                logging.getLogger("skgd").debug("A broken cache file: %r", error)
                self._remove_index()
                return None

        def save_overload(self, sig, data):
            """Keep the code for a signature, if that works."""
            try:
                super().save_overload(sig, data)
            except Exception:
                # The index may be the fault: once more, without.
                self._remove_index()
                try:
                    super().save_overload(sig, data)
                except Exception as error:
                    _failed(error)
                    self._remove_index()

        def _remove_index(self):
            """Without it, all files of the function are made anew."""
            with contextlib.suppress(OSError):
                os.remove(self._cache_file._index_path)


def _seal(data):
    return b"skgd" + crc32(data).to_bytes(4, "little")


def compiled_callback(function, signature, options, keep=True):
    """A function of C that other compiled functions call by its address.

    Parameters
    ----------
    function : function
    signature : numba signature
    options : dict
        Of ``numba.cfunc``.
    keep : bool
        Whether to keep the result on disk.

    Returns
    -------
    numba.core.ccallback.CFunc
    """
    cache = _cache_of(function) if keep else None
    if cache is None:
        return numba.cfunc(signature, **options)(function)
    arguments = signature.args, signature.return_type
    callback = CFunc(function, arguments, locals={}, options=options)
    callback._cache = cache
    callback.compile()
    return callback


def compiled_function(function, signature, options, keep=True):
    """A compiled function that Python calls.

    Parameters as of `compiled_callback`.
    """
    dispatcher = numba.njit(**options)(function)
    cache = _cache_of(function) if keep else None
    if cache is not None:
        dispatcher._cache = cache
    dispatcher.compile(signature)
    dispatcher.disable_compile()
    return dispatcher
