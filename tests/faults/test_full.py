"""The disk is full: what cannot be kept is refused in words, reading goes on, and with room it goes on by itself."""

import io
import os
import resource
import shutil
import sqlite3
import subprocess
from contextlib import closing

import pytest
from PIL import Image
from sqlalchemy import create_engine, text

from domain import files
from extensions import db

pytestmark = [pytest.mark.slow, pytest.mark.realtime]
SIZE = "2m"
# So large that no picture of a job fits any more, and no page of the database.
LIMIT = 64 * 1024


class SmallDisk:
    """A disk of two megabytes in memory."""

    def __init__(self, folder):
        self.folder, self._ballast = folder, folder / "ballast"

    @staticmethod
    def can_be_had(folder) -> bool:
        mounting = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
        return os.geteuid() == 0 and not subprocess.run(mounting, capture_output=True).returncode

    def fill(self, _site):
        with open(self._ballast, "wb", buffering=0) as file, pytest.raises(OSError):
            while True:
                file.write(bytes(4096))

    def make_room(self, _site):
        self._ballast.unlink()

    def close(self):
        # At once, even if a process still has a file of it.
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)


class ShortFiles:
    """Where nobody may mount: no file of the site may grow beyond what the system allows its processes."""

    def __init__(self, folder):
        self.folder = folder

    def fill(self, site):
        self._allow(site, LIMIT)

    def make_room(self, site):
        self._allow(site, resource.RLIM_INFINITY)

    def close(self):
        shutil.rmtree(self.folder)

    def _allow(self, site, size):
        resource.prlimit(int(site.worker), resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


@pytest.fixture
def disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    found = SmallDisk(folder) if SmallDisk.can_be_had(folder) else ShortFiles(folder)
    yield found
    found.close()


def test_on_a_full_disk_nothing_is_kept_by_halves_and_with_room_it_goes_on_by_itself(
    disk, run, visitors, wishes, jobs
):
    asked, agreed = jobs
    database, uploads = disk.folder / "doorstep.db", disk.folder / "uploads"
    db.session.remove()
    with closing(sqlite3.connect(db.engine.url.database)) as copied:
        copied.execute("VACUUM INTO ?", [str(database)])
    site = run(f"sqlite:///{database}", UPLOAD_DIR=str(uploads))
    asha, dev = visitors(site.address)
    api, talk = f"{site.address}/api/service-requests", f"{site.address}/conversations/{agreed}"
    known = [asha.call(api, wish).json["id"] for wish in wishes[:2]]
    assert dev.send_picture(talk, noise(), text="Before", key="before").status == 200

    disk.fill(site)
    page = dev.send(f"{site.address}/professional/jobs/{asked}/accept")
    assert page.is_sorry
    assert "most likely not kept" in page.text
    assert asha.call(api, wishes[2]).is_sorry
    picture = dev.send_picture(talk, noise(), text="Meanwhile", key="meanwhile")
    assert picture.is_sorry
    assert list(uploads.rglob("*.part")) == []
    for address in ("/services", "/healthz"):
        assert asha.look(f"{site.address}{address}").status == 200
    assert "Before" in asha.look(talk).text
    assert {one["id"] for one in asha.call(api).json["items"]} == {*jobs, *known}

    disk.make_room(site)
    assert dev.send(f"{site.address}/professional/jobs/{asked}/accept").status == 200
    assert asha.call(api, wishes[2]).status == 201
    assert dev.send_picture(talk, noise(), text="Afterwards", key="after").status == 200
    assert site.stop() == 0
    engine = create_engine(f"sqlite:///{database}")
    with engine.connect() as connection:
        assert connection.scalar(text("PRAGMA integrity_check")) == "ok"
        assert connection.scalar(text("SELECT count(*) FROM bookings")) == 5
        assert connection.scalars(text("SELECT text FROM messages ORDER BY id")).all() == ["Before", "Afterwards"]
        rows = set(connection.scalars(text("SELECT id FROM stored_files")))
    engine.dispose()
    assert {path.name for path in uploads.rglob("*") if path.is_file()} == rows
    assert len(rows) == 2


def noise() -> bytes:
    """A picture of nothing, which no format makes small."""
    out = io.BytesIO()
    Image.effect_noise((400, 400), 90).save(out, "JPEG", quality=95)
    assert LIMIT < len(out.getvalue()) < files.LARGEST
    return out.getvalue()
