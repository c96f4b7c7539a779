"""Where uploads are kept: in a folder, or in a bucket such as S3, behind the same few verbs.

A folder says when something is on the disk; a bucket has an object whole or not at all.
"""

import logging
import os
import re
import secrets
from pathlib import Path
from typing import BinaryIO

import fsspec

_NAME = re.compile(r"[0-9a-f]{32}")
# A bucket that is away is not waited for.
_S3 = {
    "config_kwargs": {"connect_timeout": 3, "read_timeout": 10, "retries": {"total_max_attempts": 2}},
    # Other processes write there too.
    "use_listings_cache": False,
}

# A transaction waits meanwhile, and on SQLite whoever else writes, which they do for five seconds.
SECONDS_TO_PUT = 4

log = logging.getLogger(__name__)


class LocalStorage:
    """Files in a folder, under names that new_name() made; any other name raises ValueError."""

    def __init__(self, folder: Path):
        self.folder = folder

    def put(self, name: str, content: bytes) -> None:
        """Keep the content under a new name; when this returns it is on the disk."""
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        try:
            with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            unfinished.rename(path)
        except OSError:
            # On a full disk a half of it would only take more of the room.
            unfinished.unlink(missing_ok=True)
            raise

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
        return self.folder / place_of(name)


class BucketStorage:
    """The same in a bucket, or whatever else fsspec reaches by a URL; its keys are in the environment."""

    def __init__(self, url: str):
        self._files, self._root = reach(url)

    def put(self, name: str, content: bytes) -> None:
        """Raises TimeoutError after some seconds; what arrives later all the same is deleted as a stray one night."""
        patience = {"timeout": SECONDS_TO_PUT} if self._files.async_impl else {}
        self._files.pipe_file(self._path(name), content, **patience)

    def open(self, name: str) -> BinaryIO:
        return self._files.open(self._path(name), "rb")

    def delete(self, name: str) -> None:
        """What cannot be deleted now is deleted as a stray one night: nothing names it any more."""
        path = self._path(name)
        try:
            self._files.rm_file(path)
        except FileNotFoundError:
            pass
        except Exception:
            log.exception("a file could not be deleted from the bucket")

    def names(self, beginning: str, before: float) -> list[str]:
        if not is_name(beginning * 16):
            return []
        found = self._files.find(f"{self._root}/{beginning}")
        named = {path.rpartition("/")[2]: path for path in found}
        return sorted(
            name
            for name, path in named.items()
            if is_name(name) and self._files.modified(path).timestamp() < before
        )

    def can_put(self) -> bool:
        """Whether the bucket answers; whether it takes a file is known when it is given one."""
        try:
            self._files.exists(self._root)
        except Exception:
            log.exception("the bucket does not answer")
            return False
        return True

    def _path(self, name: str) -> str:
        return f"{self._root}/{place_of(name)}"


def at(folder: Path, url: str) -> LocalStorage | BucketStorage:
    """The bucket at the URL, or the folder where there is none."""
    return BucketStorage(url) if url else LocalStorage(folder)


def reach(url: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """What is at a URL, and the path there. Raises ImportError that says which package speaks its scheme."""
    scheme = url.partition("://")[0]
    return fsspec.url_to_fs(url, **(_S3 if scheme == "s3" else {}))


def place_of(name: str) -> str:
    """Where in a folder or bucket a name has its place. Raises ValueError for one that is not ours."""
    if not is_name(name):
        raise ValueError(f"not a name of ours: {name!r}")
    return f"{name[:2]}/{name}"


def new_name() -> str:
    """A name that nobody can guess and no path can hide in."""
    return secrets.token_hex(16)


def is_name(text: str) -> bool:
    """Whether a text could be a name that new_name() made."""
    return _NAME.fullmatch(text) is not None
