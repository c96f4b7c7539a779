"""Where uploads are kept: one small interface, so that a bucket can take the folder's place."""

import os
import re
import secrets
from pathlib import Path
from typing import BinaryIO

_NAME = re.compile(r"[0-9a-f]{32}")


class LocalStorage:
    """Files in a folder, under names that new_name() made; any other name raises ValueError."""

    def __init__(self, folder: Path):
        self.folder = folder

    def put(self, name: str, content: bytes) -> None:
        """Keep the content under a new name; when this returns it is on the disk."""
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)

    def open(self, name: str) -> BinaryIO:
        """The content to read; raises FileNotFoundError."""
        return self._path(name).open("rb")

    def delete(self, name: str) -> None:
        """Forget the content, a half-written one too; one that is gone already is no error."""
        path = self._path(name)
        path.unlink(missing_ok=True)
        path.with_suffix(".part").unlink(missing_ok=True)

    def names(self, beginning: str, before: float) -> list[str]:
        """The names that begin with these two letters and were last written before a time in seconds."""
        folder = self.folder / beginning
        if not is_name(beginning * 16) or not folder.is_dir():
            return []
        old = (path for path in folder.iterdir() if path.stat().st_mtime < before)
        return sorted({path.stem for path in old if is_name(path.stem)})

    def can_put(self) -> bool:
        """Whether something could be kept now: the folder, or the nearest one above it, can be written."""
        there = next(one for one in (self.folder, *self.folder.parents) if one.exists())
        return os.access(there, os.W_OK)

    def _path(self, name: str) -> Path:
        if not is_name(name):
            raise ValueError(f"not a name of ours: {name!r}")
        return self.folder / name[:2] / name


def new_name() -> str:
    """A name that nobody can guess and no path can hide in."""
    return secrets.token_hex(16)


def is_name(text: str) -> bool:
    """Whether a text could be a name that new_name() made."""
    return _NAME.fullmatch(text) is not None
