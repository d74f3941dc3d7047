"""Which files a path means: one file, a folder, a pattern, an open file, or a list.

What is in the files is not looked at.
"""

import glob
import io
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

# How Hive writes a partition of rows that lack the value.
NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True)
class File:
    """One file, to be opened for each pass.

    Attributes
    ----------
    name : str
        For messages.
    path : Path or None
    opened : OpenFile or None
        What the user opened, where there is no path.
    partition : dict of str to str
        Columns that the names of its folders hold, as ``country=fr``.
    """

    name: str
    path: Path | None = None
    opened: "OpenFile | None" = None
    partition: Mapping[str, str | None] = field(default_factory=dict)

    def source(self) -> Any:
        """What pyarrow reads from the start of the file."""
        return str(self.path) if self.opened is None else self.opened.reader()

    def first_bytes(self, n: int) -> bytes:
        if self.opened is not None:
            return self.opened.reader().read(n)
        assert self.path is not None
        with open(self.path, "rb") as file:
            return file.read(n)


class OpenFile:
    """A file that the user opened, read from its start as often as is asked for.

    Readers do not disturb each other and do not close it.

    Parameters
    ----------
    file : file object
        Binary, or of text.
    """

    def __init__(self, file: Any) -> None:
        if isinstance(file, io.StringIO):
            file = io.BytesIO(file.getvalue().encode())
        file = getattr(file, "buffer", file)
        if not (hasattr(file, "seekable") and file.seekable()):
            raise ValueError(
                f"{type(file).__name__} can be read only once, and each pass reads it "
                "anew: pass a path, or io.BytesIO(file.read())."
            )
        self.file = file
        self.lock = threading.Lock()

    def reader(self) -> io.RawIOBase:
        return _Reader(self)


class _Reader(io.RawIOBase):
    def __init__(self, opened):
        self.opened = opened
        self.position = 0

    def readable(self):
        return True

    def seekable(self):
        return True

    def tell(self):
        return self.position

    def seek(self, offset, whence=os.SEEK_SET):
        with self.opened.lock:
            start = {os.SEEK_SET: 0, os.SEEK_CUR: self.position}
            if whence == os.SEEK_END:
                start[whence] = self.opened.file.seek(0, os.SEEK_END)
        self.position = start[whence] + offset
        return self.position

    def readinto(self, buffer):
        with self.opened.lock:
            self.opened.file.seek(self.position)
            data = self.opened.file.read(len(buffer))
        buffer[: len(data)] = data
        self.position += len(data)
        return len(data)


def files_of(path: Any, kind: str, suffixes: tuple[str, ...]) -> list[File]:
    """Existing files that a path means, those of a folder by name.

    Files and folders whose names begin with a dot or an underscore are passed over in
    folders, as by pandas and pyarrow: they hold what programs left there.

    Parameters
    ----------
    path : str, path-like, file object or list of them
        A "~" is the home folder; "*", "?", "[...]" and "**" make a pattern.
    kind : str
        For messages.
    suffixes : tuple of str
        Of the files to take from a folder.

    Returns
    -------
    list of File

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    if hasattr(path, "read"):
        name = getattr(path, "name", None)
        name = name if isinstance(name, str) else f"<{type(path).__name__}>"
        return [File(name, opened=OpenFile(path))]
    if not isinstance(path, (str, os.PathLike)):
        files = [file for one in path for file in files_of(one, kind, suffixes)]
        if not files:
            raise FileNotFoundError(f"The list of {kind} files is empty.")
        return files
    given = Path(path).expanduser()
    if given.is_dir():
        found = _in_folder(given, suffixes)
    elif given.exists():
        found = [File(str(given), given, partition=_partition(given.parts[:-1]))]
    elif glob.has_magic(str(given)):
        names = sorted(glob.glob(str(given), recursive=True))
        found = [file for name in names for file in _matched(Path(name), suffixes)]
    else:
        found = []
    if not found:
        raise FileNotFoundError(f"There is no {kind} file at {path}.")
    return found


def _matched(path, suffixes):
    if path.is_dir():
        return _in_folder(path, suffixes)
    return [File(str(path), path, partition=_partition(path.parts[:-1]))]


def _in_folder(folder, suffixes):
    files = []
    for path in sorted(folder.rglob("*")):
        inner = path.relative_to(folder).parts
        is_hidden = any(part.startswith((".", "_")) for part in inner)
        fits = path.name.lower().endswith(suffixes) and path.is_file()
        if fits and not is_hidden:
            files.append(File(str(path), path, partition=_partition(path.parts[:-1])))
    return files


def _partition(folders):
    pairs = (name.split("=", 1) for name in folders if "=" in name)
    return {
        unquote(key): None if value == NO_VALUE else unquote(value)
        for key, value in pairs
        if key
    }
