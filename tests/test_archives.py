"""What an archive is, what is refused about one, and which are kept."""

import io
import json
import tarfile
from datetime import UTC, datetime, timedelta

import pytest

import archives
from archives import DATABASE, MANIFEST, Damaged, Shelf

NAME = "0123456789abcdef0123456789abcdef"
UPLOAD = f"uploads/01/{NAME}"


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / archives.name_at(datetime(2026, 11, 23, 3, 30, tzinfo=UTC))
    with archives.writing(path) as writer:
        writer.add(DATABASE, io.BytesIO(b"rows"))
        writer.add(UPLOAD, io.BytesIO(b"a photo"))
        writer.finish({"moment": "then"})
    return path


def test_what_was_put_in_comes_out_and_only_its_owner_may_read_it(archive, tmp_path):
    manifest = archives.extract_database(archive, tmp_path / "out.db")
    assert (tmp_path / "out.db").read_bytes() == b"rows"
    assert (manifest["moment"], set(manifest["files"])) == ("then", {DATABASE, UPLOAD})
    assert list(archives.uploads(archive)) == [(NAME, b"a photo")]
    for path in (archive, tmp_path / "out.db"):
        assert path.stat().st_mode & 0o777 == 0o600


def test_an_archive_that_fails_half_way_is_none(tmp_path):
    with pytest.raises(OSError, match="full"), archives.writing(tmp_path / "one.tar.gz") as writer:
        writer.add(DATABASE, io.BytesIO(b"rows"))
        raise OSError("full")
    assert list(tmp_path.iterdir()) == []


def what_comes_out(path):
    """The manifest and the uploads, or None where the archive is refused."""
    try:
        return archives.check(path), list(archives.uploads(path))
    except Damaged:
        return None


def test_a_byte_that_changed_is_noticed_or_changes_nothing(archive):
    whole, meant = archive.read_bytes(), what_comes_out(archive)
    refused = 0
    for place in range(len(whole)):
        archive.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        found = what_comes_out(archive)
        assert found in (None, meant)
        refused += found is None
    # The rest are the name in the head of the file, what fills its last block up, and a sum that ours stand above.
    assert refused > len(whole) / 2


def test_an_archive_that_was_cut_off_is_refused(archive):
    whole = archive.read_bytes()
    for length in (0, 1, 100, len(whole) // 2, len(whole) * 3 // 4):
        archive.write_bytes(whole[:length])
        with pytest.raises(Damaged):
            archives.check(archive)


def made_of(path, *members, mode="w:gz"):
    with tarfile.open(path, mode) as tar:
        for name, content, kind in members:
            member = tarfile.TarInfo(name)
            member.size, member.type, member.linkname = len(content), kind, "/etc/passwd"
            tar.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../outside", tarfile.REGTYPE),
        ("/etc/cron.d/own", tarfile.REGTYPE),
        (f"uploads/../{NAME}", tarfile.REGTYPE),
        (f"uploads/ff/{NAME}", tarfile.REGTYPE),
        (f"./{UPLOAD}", tarfile.REGTYPE),
        ("secret_key", tarfile.REGTYPE),
        (UPLOAD, tarfile.SYMTYPE),
        (UPLOAD, tarfile.LNKTYPE),
        (DATABASE, tarfile.DIRTYPE),
        (DATABASE, tarfile.FIFOTYPE),
    ],
)
def test_a_member_that_no_backup_has_is_refused(tmp_path, name, kind):
    content = b"x" if kind == tarfile.REGTYPE else b""
    strange = made_of(tmp_path / "strange.tar.gz", (name, content, kind))
    with pytest.raises(Damaged, match="which no backup has"):
        archives.extract_database(strange, tmp_path / "out.db")
    assert [path.name for path in tmp_path.iterdir()] == ["strange.tar.gz"]


def manifest_of(**files):
    return json.dumps({"format": 1, "files": files}).encode()


@pytest.mark.parametrize(
    "members",
    [
        [(DATABASE, b"rows")],
        [(DATABASE, b"rows"), (MANIFEST, manifest_of())],
        [(MANIFEST, manifest_of(**{DATABASE: {"sha256": "", "size": 4}}))],
        [(MANIFEST, manifest_of()), (DATABASE, b"rows")],
        [(DATABASE, b"rows"), (DATABASE, b"rows"), (MANIFEST, manifest_of())],
        [(MANIFEST, b"{}")],
        [(MANIFEST, b"[1")],
        [(MANIFEST, b'{"format": 2, "files": {}}')],
    ],
)
def test_an_archive_whose_manifest_is_not_of_it_is_refused(tmp_path, members):
    odd = made_of(tmp_path / "odd.tar.gz", *((*member, tarfile.REGTYPE) for member in members))
    with pytest.raises(Damaged):
        archives.check(odd)


def nights(number):
    last = datetime(2026, 11, 23, 3, tzinfo=UTC)
    return [archives.name_at(last - timedelta(days=day)) for day in range(number)]


def test_the_last_of_so_many_days_and_weeks_are_kept():
    names = nights(60)
    gone = archives.unwanted(names, daily=7, weekly=4)
    kept = [archives.moment_of(name).date() for name in names if name not in gone]
    # Monday the 23rd is the last of its week so far; before it the Sundays.
    assert [f"{day:%d %b}" for day in kept] == [
        *("23 Nov", "22 Nov", "21 Nov", "20 Nov", "19 Nov", "18 Nov", "17 Nov"),
        *("15 Nov", "08 Nov"),
    ]
    assert archives.unwanted([name for name in names if name not in gone], daily=7, weekly=4) == []


def test_of_a_day_the_last_one_is_kept_and_the_last_of_all_in_any_case():
    morning, noon = (archives.name_at(datetime(2026, 11, 23, hour, tzinfo=UTC)) for hour in (3, 12))
    assert archives.unwanted([noon, morning], daily=7, weekly=0) == [morning]
    assert archives.unwanted([noon, morning], daily=0, weekly=0) == [morning]
    assert archives.unwanted([], daily=0, weekly=0) == []


@pytest.mark.parametrize("as_url", [False, True])
def test_a_shelf_keeps_archives_and_a_list_for_its_owner(archive, tmp_path, as_url):
    folder = tmp_path / "shelf"
    shelf = Shelf(folder.as_uri() if as_url else folder)
    assert (shelf.names(), shelf.read("erased.json")) == ([], None)
    shelf.put(archive)
    shelf.write("erased.json", b"[1]")
    shelf.write("erased.json", b"[2]")
    assert (shelf.names(), shelf.read("erased.json")) == ([archive.name], b"[2]")
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {
        archive.name: 0o600,
        "erased.json": 0o600,
    }
    shelf.fetch(archive.name, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == archive.read_bytes()
    shelf.delete(archive.name)
    assert shelf.names() == []
