"""Serves static/: what is text goes out gzipped, from copies made when the site starts."""

import gzip
import hashlib
import os
from pathlib import Path

from whitenoise import WhiteNoise
from whitenoise.responders import StaticFile

TEXTS = frozenset({".css", ".js", ".svg"})


class Assets(WhiteNoise):
    """WhiteNoise that does not need its compressed files to lie beside the plain ones.

    A copy is named by the digest of what it holds, so an edited file never goes out as it was.
    """

    def __init__(self, application, copies: Path, **options):
        self.copies = copies
        super().__init__(application, **options)

    def get_static_file(self, path, url, stat_cache=None):
        plain = super().get_static_file(path, url, stat_cache)
        if Path(path).suffix not in TEXTS:
            return plain
        _encoding, _path, headers = plain.alternatives[-1]
        return StaticFile(path, headers, encodings={"gzip": self._gzipped(Path(path))})

    def _gzipped(self, path):
        content = path.read_bytes()
        copy = self.copies / f"{hashlib.sha256(content).hexdigest()}.gz"
        if not copy.exists():
            self.copies.mkdir(parents=True, exist_ok=True)
            # Whole or not there, also when several processes start at once.
            new = copy.with_suffix(f".{os.getpid()}")
            new.write_bytes(gzip.compress(content, mtime=0))
            new.replace(copy)
        return str(copy)
