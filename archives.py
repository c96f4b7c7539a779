"""Archives of a site: a tar of its database, its uploads and a manifest with a checksum of each, and the places
that keep them.

What is read is trusted in nothing: only names that an archive has are taken, and only when all sums are right.
"""

import hashlib
import io
import json
import os
import re
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from fsspec.implementations.local import LocalFileSystem

import storage
from extensions import settings

DATABASE, MANIFEST, UPLOADS = "database.db", "manifest.json", "uploads"
FORMAT = 1
# Photos do not shrink, and rows do by most of what they ever will.
COMPRESSION = 1
LARGEST_MANIFEST = 256 * 1024 * 1024
_NAME = re.compile(r"doorstep-(\d{8}-\d{6})\.tar\.gz")
_MOMENT = "%Y%m%d-%H%M%S"


class Damaged(Exception):
    """An archive that must not be used; the message says what is wrong with it."""


class Writer:
    """Puts members into a new archive and notes their sums; the manifest comes last."""

    def __init__(self, tar: tarfile.TarFile):
        self._tar = tar
        self._sums = {}

    def add(self, name: str, content: BinaryIO) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mode = content.seek(0, os.SEEK_END), 0o600
        content.seek(0)
        counted = _Counted(content)
        self._tar.addfile(member, counted)
        self._sums[name] = {"sha256": counted.sum, "size": member.size}

    def has(self, name: str) -> bool:
        return name in self._sums

    def finish(self, about: dict[str, Any]) -> None:
        text = json.dumps({"format": FORMAT, **about, "files": self._sums}, indent=1).encode()
        self.add(MANIFEST, io.BytesIO(text))


class _Counted:
    """A stream that sums up what is read of it."""

    def __init__(self, stream: BinaryIO):
        self._stream, self._hash = stream, hashlib.sha256()

    @property
    def sum(self) -> str:
        return self._hash.hexdigest()

    def read(self, size: int = -1) -> bytes:
        try:
            part = self._stream.read(size)
        except (tarfile.TarError, zlib.error, EOFError) as fault:
            raise Damaged(f"The archive cannot be read: {fault}") from fault
        self._hash.update(part)
        return part


@contextmanager
def writing(path: Path) -> Iterator[Writer]:
    """A new archive, which only its owner may read; there is none unless the block ends well."""
    unfinished = path.with_name(f"{path.name}.part")
    try:
        with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            with tarfile.open(fileobj=file, mode="w:gz", compresslevel=COMPRESSION) as tar:
                yield Writer(tar)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
    finally:
        unfinished.unlink(missing_ok=True)


def check(path: Path, keep: Callable[[str, BinaryIO], None] = lambda _name, _content: None) -> dict[str, Any]:
    """The manifest of an archive whose every member is as it was put in. Raises Damaged.

    `keep` may read each member as it comes; what it read counts once this has returned.
    """
    found, manifest = {}, None
    for name, size, content in _members(path):
        if name in found or manifest is not None:
            raise Damaged(f"The archive has {name} where it should not.")
        counted = _Counted(content)
        if name == MANIFEST:
            manifest = _manifest(counted, size)
            continue
        keep(name, counted)
        while counted.read(1024 * 1024):
            pass
        found[name] = {"sha256": counted.sum, "size": size}
    if manifest is None:
        raise Damaged("The archive has no manifest: it was never finished, or is no backup.")
    if manifest["files"] != found:
        names = sorted(name for name in found | manifest["files"] if found.get(name) != manifest["files"].get(name))
        raise Damaged(f"The archive is damaged: {', '.join(names[:5])} is not what was put in.")
    return manifest


def extract_database(path: Path, target: Path) -> dict[str, Any]:
    """The same, with the database of the archive in a new file."""

    def keep(name, content):
        if name == DATABASE:
            with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                shutil.copyfileobj(content, file)

    return check(path, keep)


def uploads(path: Path) -> Iterator[tuple[str, bytes]]:
    """The uploads of a checked archive, each with its name."""
    for name, _size, content in _members(path):
        if name.startswith(f"{UPLOADS}/"):
            yield name.rpartition("/")[2], _Counted(content).read()


def name_at(moment: datetime) -> str:
    """What an archive of this moment is called."""
    return f"doorstep-{moment.astimezone(UTC):{_MOMENT}}.tar.gz"


def moment_of(name: str) -> datetime:
    """When the archive of this name was made."""
    return datetime.strptime(_NAME.fullmatch(name)[1], _MOMENT).replace(tzinfo=UTC)


def unwanted(names: list[str], daily: int, weekly: int) -> list[str]:
    """Which archives to throw away, to keep the last of all, and that of so many days and weeks that have any."""
    kept = {max(names)} if names else set()
    for number, period in ((daily, "%Y-%m-%d"), (weekly, "%G week %V")):
        last = {f"{moment_of(name):{period}}": name for name in sorted(names)}
        kept.update(last[key] for key in sorted(last)[len(last) - min(number, len(last)) :])
    return [name for name in sorted(names) if name not in kept]


class Shelf:
    """A place that keeps archives and the list of erasures: a folder, or whatever fsspec reaches by a URL."""

    def __init__(self, place: Path | str):
        self._files, self._root = storage.reach(str(place))

    def names(self) -> list[str]:
        """Its archives, the oldest first."""
        found = self._files.ls(self._root, detail=False) if self._files.exists(self._root) else []
        return sorted(name for path in found if _NAME.fullmatch(name := path.rpartition("/")[2]))

    def put(self, path: Path) -> None:
        self._replace(path.name, lambda unfinished: self._files.put_file(str(path), unfinished))

    def fetch(self, name: str, target: Path) -> None:
        self._files.get_file(self._path(name), str(target))

    def delete(self, name: str) -> None:
        self._files.rm_file(self._path(name))

    def read(self, name: str) -> bytes | None:
        """The content of a small file; None if there is none."""
        try:
            return self._files.cat_file(self._path(name))
        except FileNotFoundError:
            return None

    def write(self, name: str, content: bytes) -> None:
        """Replace a small file: whoever reads it reads the old or the new."""
        self._replace(name, lambda unfinished: self._files.pipe_file(unfinished, content))

    def _replace(self, name, fill):
        unfinished = self._path(f"{name}.part")
        self._files.makedirs(self._root, exist_ok=True)
        if isinstance(self._files, LocalFileSystem):
            # It stays its owner's when it is filled.
            Path(unfinished).touch(mode=0o600)
        fill(unfinished)
        self._files.mv(unfinished, self._path(name))

    def _path(self, name):
        return f"{self._root}/{name}"


def shelves() -> list[Shelf]:
    """Where the site keeps backups: the folder on this machine, and the place elsewhere if there is one."""
    return [Shelf(place) for place in (settings.backup_dir, settings.backup_url) if place]


def _members(path):
    try:
        with tarfile.open(path, "r|gz") as tar:
            for member in tar:
                if not (member.isreg() and _is_ours(member.name)):
                    raise Damaged(f"The archive has {member.name!r} in it, which no backup has.")
                yield member.name, member.size, tar.extractfile(member)
    except (tarfile.TarError, zlib.error, EOFError, OSError) as fault:
        raise Damaged(f"The archive cannot be read: {fault}") from fault


def _is_ours(name):
    folder, _slash, rest = name.partition("/")
    _beginning, _slash, last = rest.partition("/")
    upload = folder == UPLOADS and storage.is_name(last) and rest == storage.place_of(last)
    return upload or name in (DATABASE, MANIFEST)


def _manifest(content, size):
    if size > LARGEST_MANIFEST:
        raise Damaged("The manifest of the archive is too large.")
    try:
        manifest = json.loads(content.read())
        if manifest["format"] != FORMAT or not isinstance(manifest["files"], dict):
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise Damaged("This version of Doorstep cannot read the manifest of the archive.") from None
    return manifest
