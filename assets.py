"""Serves static/: what is text goes out compressed, from copies made when the site first starts; what is asked for
by its digest may be kept forever."""

import gzip
import hashlib
import os
from pathlib import Path

import brotli
from whitenoise import WhiteNoise
from whitenoise.responders import StaticFile

TEXTS = frozenset({".css", ".js", ".svg"})
WAYS = {
    "br": lambda content: brotli.compress(content, mode=brotli.MODE_TEXT, quality=10),
    "gzip": lambda content: gzip.compress(content, mtime=0),
}


def version(path: Path | str) -> str:
    """What an address says of a file's content."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:10]


class Assets(WhiteNoise):
    """WhiteNoise that does not need its compressed files to lie beside the plain ones.

    A copy is named by the digest of what it holds, so an edited file never goes out as it was.
    """

    def __init__(self, application, copies: Path, **options):
        self.copies = copies
        # By the path with the query of templating.asset(). With any other query a file is not kept as long: an old
        # page may ask for what the new release has changed.
        self.versions = {}
        super().__init__(application, **options)

    def __call__(self, environ, start_response):
        exact = self.versions.get(f"{environ.get('PATH_INFO')}?{environ.get('QUERY_STRING')}")
        return self.serve(exact, environ, start_response) if exact else super().__call__(environ, start_response)

    def add_file_to_dictionary(self, url, path, stat_cache=None):
        super().add_file_to_dictionary(url, path, stat_cache)
        exact = f"{url}?v={version(path)}"
        self.versions[exact] = self.get_static_file(path, exact, stat_cache)

    def get_static_file(self, path, url, stat_cache=None):
        plain = super().get_static_file(path, url, stat_cache)
        if Path(path).suffix not in TEXTS:
            return plain
        _encoding, _path, headers = plain.alternatives[-1]
        return StaticFile(path, headers, encodings=self._compressed(Path(path).read_bytes()))

    def _compressed(self, content):
        """{way: path of the copy}; what is not there yet is made."""
        digest = hashlib.sha256(content).hexdigest()
        copies = {way: self.copies / f"{digest}.{way}" for way in WAYS}
        for way, copy in copies.items():
            if not copy.exists():
                self.copies.mkdir(parents=True, exist_ok=True)
                # Whole or not there, also when several processes start at once.
                new = copy.with_suffix(f".{way}.{os.getpid()}")
                new.write_bytes(WAYS[way](content))
                new.replace(copy)
        return {way: str(copy) for way, copy in copies.items()}
