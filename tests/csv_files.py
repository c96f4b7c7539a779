"""How the tests read what an export wrote."""

import csv
import io
import sys
import zipfile
from pathlib import Path

from domain import cells, exports

# As long as a cell may be that the tests write.
csv.field_size_limit(sys.maxsize)


def read(path: Path, encoding: str = "utf-8") -> list[dict]:
    """The rows of a file, as Python's csv module sees them."""
    return rows_of(path.read_bytes(), encoding)


def read_zip(path: Path) -> dict[str, list[dict]]:
    """The rows of each file of a zip, by its name."""
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: rows_of(archive.read(name)) for name in archive.namelist()}


def rows_of(content: bytes, encoding: str = "utf-8") -> list[dict]:
    assert content.endswith(b"\r\n")
    text = io.StringIO(content.decode(encoding), newline="")
    heading, *rows = csv.reader(text, strict=True)
    return [dict(zip(heading, row, strict=True)) for row in rows]


def undone(cell: str) -> str:
    """A cell as it was before it was made harmless, as docs/exports.md says it."""
    if not cell.startswith(cells.MARK):
        return cell
    first = cell[1:].lstrip(cells.SKIPPED)[:1]
    return cell[1:] if first in ("", "\0", *cells.FORMULA) else cell


def files_left() -> list[str]:
    """The names of all files in the folder of the exports."""
    return sorted(path.name for path in exports.folder().iterdir())
