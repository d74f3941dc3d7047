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
import sys
from importlib import resources
from types import SimpleNamespace
from zlib import crc32

import numba

try:
    from numba.core.caching import (
        CompileResultCacheImpl,
        FunctionCache,
        IndexDataCacheFile,
    )
    from numba.core.ccallback import CFunc
    from numba.misc.appdirs import AppDirs
except ImportError:  # another Numba than those known: compile without a cache
    FunctionCache = None

# The modules, besides this folder and the penalties, whose functions end up in compiled
# code.
REGISTRIES = ("activations", "losses", "optimizers")

# The environment variable that names a folder for compiled code.
VARIABLE = "SKGD_CACHE_DIR"

# Options of Numba that change the code that it makes.
OPTIONS = ("BOUNDSCHECK", "DEBUGINFO_DEFAULT", "LOOP_VECTORIZE", "OPT", "SLP_VECTORIZE")

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


def folders():
    """Folders for compiled code, in the order in which they are looked through.

    Those that the user names come first, then the package's own, which an image or an
    administrator may have filled, then the user's. Code is kept in the first that can
    be written to, and found in any.
    """
    named = [os.environ.get(VARIABLE), numba.config.CACHE_DIR]
    package = os.path.join(os.path.dirname(os.path.dirname(__file__)), "__pycache__")
    own = AppDirs(appname="skgd", appauthor=False).user_cache_dir
    # Code of other versions and options is kept side by side; each finds its own.
    options = [getattr(numba.config, name, None) for name in OPTIONS]
    tag = crc32(repr((numba.__version__, options)).encode(), version())
    here = f"skgd-{tag:08x}"
    return [os.path.join(path, here) for path in (*filter(None, named), package, own)]


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
    except Exception as error:
        _failed(error)
    return None


if FunctionCache is not None:

    class SealedFiles(IndexDataCacheFile):
        """Numba's files of one function, with a checksum in front of the code.

        Numba takes code as it finds it; damaged code would end the process, and so
        would that of another processor. Files have running numbers: of two machines
        that share a folder and compile at the same time, one may write over the file
        of the other. So each holds the key that its code is for.
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

        def found(self, key):
            """What is kept under a key, or None; a broken index is removed."""
            try:
                content = self.load(key)
                if content is None:
                    return None
                of, data = content
                if of == key:
                    return data
                raise ValueError(f"{self._index_path} names the code of {of}")
            except Exception as error:
                logging.getLogger("skgd").debug("A broken cache file: %r", error)
                self.remove_index()
                return None

        def keep(self, key, data):
            """Save under a key; raises what is in the way."""
            os.makedirs(self._cache_path, exist_ok=True)
            try:
                self.save(key, (key, data))
            except Exception:
                # The index may be the fault: once more, without.
                self.remove_index()
                try:
                    self.save(key, (key, data))
                except Exception:
                    self.remove_index()
                    raise

        def remove_index(self):
            """Without it, all files of the function are made anew."""
            with contextlib.suppress(OSError):
                os.remove(self._index_path)

    class Implementation(CompileResultCacheImpl):
        """Numba's way to write a compiled function down, wherever that is to be."""

        def __init__(self, function):
            # Of what Numba keeps here, for its warnings only.
            self._lineno = function.__code__.co_firstlineno
            self._locator = SimpleNamespace(_py_file=function.__code__.co_filename)

    class TolerantCache(FunctionCache):
        """Numba's cache of one function, in several folders, that lets no fit fail."""

        def __init__(self, function):
            self._name = repr(function)
            self._py_func = function
            self._impl = Implementation(function)
            name = file_name(function)
            self._files = [SealedFiles(path, name, version()) for path in folders()]
            self._cache_path = self._files[0]._cache_path
            self.enable()

        def load_overload(self, sig, target_context):
            """What is kept for a signature, or None."""
            target_context.refresh()
            key = self._index_key(sig, target_context.codegen())
            for files in self._files:
                data = files.found(key)
                if data is None:
                    continue
                try:
                    return self._impl.rebuild(target_context, data)
                except Exception as error:
                    logging.getLogger("skgd").debug("Broken code: %r", error)
                    files.remove_index()
            return None

        def save_overload(self, sig, data):
            """Keep the code for a signature in the first folder where that works."""
            if not self._impl.check_cachable(data):
                return
            key = self._index_key(sig, data.codegen)
            data = self._impl.reduce(data)
            first = None
            for files in self._files:
                try:
                    files.keep(key, data)
                except Exception as error:
                    first = first or error
                else:
                    return
            _failed(first)


def file_name(function):
    """A name for the files of a function: no other function of the package has it.

    The line tells functions of one name apart, as those of the losses: Numba compares
    the bytecode, which is the same where constants alone differ.
    """
    line = function.__code__.co_firstlineno
    name = f"{function.__module__}.{function.__qualname__}-{line}"
    python = f"py{sys.version_info[0]}{sys.version_info[1]}"
    name = f"{name}.{python}{getattr(sys, 'abiflags', '')}"
    return name.replace("<", "").replace(">", "")


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


def native_address(dispatcher):
    """Machine address of the one function that a dispatcher has compiled.

    Other compiled code calls it there, by the convention of compiled code.
    """
    (compiled,) = dispatcher.overloads.values()
    name = compiled.fndesc.llvm_func_name
    return compiled.library.get_pointer_to_function(name)
