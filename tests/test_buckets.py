"""Uploads and backups in a bucket of S3, at a server that speaks as it does."""

import io
import socket
import time

import boto3
import pytest
import s3fs
from moto.server import ThreadedMotoServer
from PIL import Image

import archives
import storage
from domain import backups, files
from extensions import SQLITE_BUSY_MILLISECONDS, db
from models import FileKind, StoredFile
from tests import factories

pytestmark = [pytest.mark.slow, pytest.mark.realtime, pytest.mark.filterwarnings("default::DeprecationWarning")]
NAME = "ab" + "0123456789" * 3


@pytest.fixture
def bucket(monkeypatch):
    """A bucket, as its owner sees it past the site."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "site",
        "AWS_SECRET_ACCESS_KEY": "only for tests",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    # What was known of the server of another test is of no use.
    s3fs.S3FileSystem.clear_instance_cache()
    bucket = boto3.resource("s3").Bucket("doorstep")
    bucket.create()
    # Its servers share what they have.
    bucket.objects.delete()
    yield bucket
    server.stop()


def keys(bucket):
    return sorted(one.key for one in bucket.objects.all())


def photo():
    content = io.BytesIO()
    Image.new("RGB", (8, 8), "green").save(content, "PNG")
    content.seek(0)
    return content


def test_a_bucket_keeps_what_a_folder_keeps(bucket):
    store = storage.at(None, "s3://doorstep/uploads")
    name = NAME
    store.put(name, b"content")
    assert keys(bucket) == [f"uploads/ab/{name}"]
    with store.open(name) as content:
        assert content.read() == b"content"
    assert store.names("ab", time.time() + 60) == [name]
    assert store.names("ab", time.time() - 60) == []
    assert store.names("cd", time.time() + 60) == []
    store.delete(name)
    store.delete(name)
    assert keys(bucket) == []
    with pytest.raises(FileNotFoundError):
        store.open(name)
    for verb in (store.open, store.delete, lambda name: store.put(name, b"x")):
        with pytest.raises(ValueError, match="not a name of ours"):
            verb("../../etc/passwd")


def test_uploads_live_in_the_bucket_and_are_served_as_before(app, set_up, bucket, as_, customer, settings):
    set_up(upload_url="s3://doorstep/uploads")
    file = files.store(files.check(FileKind.PHOTO, photo()), customer)
    db.session.commit()
    assert keys(bucket) == [f"uploads/{storage.place_of(file.id)}"]
    assert not settings.upload_dir.exists()
    answer = as_(customer).get(f"/files/{file.id}")
    assert (answer.status_code, answer.mimetype) == (200, "image/jpeg")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.data.startswith(b"\xff\xd8")
    files.forget(file.id)
    db.session.rollback()
    assert keys(bucket)
    files.forget(file.id)
    db.session.commit()
    assert keys(bucket) == []


def test_an_upload_whose_transaction_fails_leaves_the_bucket(app, set_up, bucket, customer):
    set_up(upload_url="s3://doorstep/uploads")
    files.store(files.check(FileKind.PHOTO, photo()), customer)
    db.session.rollback()
    assert (keys(bucket), db.session.query(StoredFile).count()) == ([], 0)


def test_a_bucket_that_is_away_fails_an_upload_soon_and_no_deletion(app, set_up, bucket, customer, monkeypatch, caplog):
    set_up(upload_url="s3://doorstep/uploads")
    file = files.store(files.check(FileKind.PHOTO, photo()), customer)
    db.session.commit()
    s3fs.S3FileSystem.clear_instance_cache()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    began = time.monotonic()
    with pytest.raises(Exception, match=r"127\.0\.0\.1:9"):
        files.store(files.check(FileKind.PHOTO, photo()), customer)
    db.session.rollback()
    files.forget(file.id)
    db.session.commit()
    assert time.monotonic() - began < 30
    assert "could not be deleted from the bucket" in caplog.text
    s3fs.S3FileSystem.clear_instance_cache()


def test_a_bucket_that_says_nothing_keeps_other_writers_waiting_for_less_than_they_do(
    app, set_up, bucket, customer, monkeypatch
):
    assert storage.SECONDS_TO_PUT * 1000 < SQLITE_BUSY_MILLISECONDS
    monkeypatch.setattr(storage, "SECONDS_TO_PUT", 0.5)
    set_up(upload_url="s3://doorstep/uploads")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        s3fs.S3FileSystem.clear_instance_cache()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            files.store(files.check(FileKind.PHOTO, photo()), customer)
        assert time.monotonic() - began < 5
        db.session.rollback()
    assert db.session.query(StoredFile).count() == 0
    s3fs.S3FileSystem.clear_instance_cache()


def test_backups_go_to_the_bucket_with_the_uploads_that_live_there_and_come_back(
    app, set_up, bucket, customer, tmp_path
):
    set_up(upload_url="s3://doorstep/uploads", backup_url="s3://doorstep/backups")
    file = files.store(files.check(FileKind.PHOTO, photo()), customer)
    factories.booking(customer, factories.professional())
    db.session.commit()
    taken = backups.take()
    assert f"backups/{taken.path.name}" in keys(bucket)
    kept = {file.id: files.content_of(file)}
    taken.path.unlink()
    db.session.rollback()
    db.session.remove()
    drill = app.test_cli_runner().invoke(args=["restore", "--drill", f"s3://doorstep/backups/{taken.path.name}"])
    assert drill.exit_code == 0, drill.output
    (away, near) = reversed(archives.shelves())
    assert (away.names(), near.names()) == ([taken.path.name], [])
    away.fetch(taken.path.name, tmp_path / "back.tar.gz")
    assert dict(archives.uploads(tmp_path / "back.tar.gz")) == kept
