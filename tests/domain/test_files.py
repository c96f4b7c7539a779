"""What may be uploaded, what survives of it, and who may see it."""

import io
import struct
import zlib

import pytest
from fpdf import FPDF
from PIL import Image, PngImagePlugin
from pypdf import PdfReader, PdfWriter
from pypdf.generic import DictionaryObject, NameObject, TextStringObject

from domain import files
from domain.errors import Invalid, NotFound
from extensions import db
from models import FileKind, StoredFile
from storage import LocalStorage

SECRET = b"12 Secret Lane"


def picture(kind="JPEG", size=(640, 480), colour="teal", **options) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, kind, **options)
    return out.getvalue()


def pdf(pages=1, change=None) -> bytes:
    writer = PdfWriter()
    for _ in range(pages):
        writer.add_blank_page(200, 200)
    if change:
        change(writer)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def printed() -> bytes:
    page = FPDF()
    page.add_page()
    page.set_font("Helvetica", size=12)
    page.cell(text="Twelve years a plumber")
    return bytes(page.output())


def check(kind, content):
    return files.check(kind, io.BytesIO(content))


def refusal(kind, content) -> str:
    with pytest.raises(Invalid) as refused:
        check(kind, content)
    assert refused.value.field == kind.value
    return refused.value.message


def opened(content) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_picture_is_kept_as_a_small_jpeg(app, kind):
    checked = check(FileKind.PHOTO, picture(kind, (3000, 1500)))
    image = opened(checked.content)
    assert (checked.content_type, image.format, image.size) == ("image/jpeg", "JPEG", (1024, 512))


def test_nothing_but_the_pixels_survives(app):
    exif = Image.Exif()
    exif[0x010E] = SECRET.decode()
    exif.get_ifd(0x8825)[1] = "N"
    jpeg = picture(exif=exif, comment=SECRET, icc_profile=SECRET)
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", SECRET.decode())
    for content in (jpeg, picture("PNG", pnginfo=text), picture("WEBP", exif=exif, xmp=SECRET)):
        assert SECRET in content
        kept = check(FileKind.PHOTO, content).content
        assert SECRET not in kept
        image = opened(kept)
        assert not image.getexif()
        assert not {"comment", "exif", "icc_profile", "xmp"} & image.info.keys()


def test_a_picture_taken_sideways_stands_upright(app):
    exif = Image.Exif()
    exif[0x0112] = 6
    assert opened(check(FileKind.PHOTO, picture(size=(400, 200), exif=exif)).content).size == (200, 400)


def test_see_through_parts_become_white(app):
    out = io.BytesIO()
    Image.new("RGBA", (10, 10), (0, 0, 0, 0)).save(out, "PNG")
    assert opened(check(FileKind.PHOTO, out.getvalue()).content).getpixel((5, 5)) == (255, 255, 255)


def test_what_hides_behind_a_picture_is_gone(app):
    kept = check(FileKind.PHOTO, picture() + b"<script>alert(1)</script>PK\x03\x04").content
    assert b"script" not in kept
    assert b"PK\x03\x04" not in kept


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "PPM", "ICO"])
def test_other_kinds_of_pictures_are_refused(app, kind):
    assert "JPEG, PNG or WebP" in refusal(FileKind.PHOTO, picture(kind))


@pytest.mark.parametrize(
    "content",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        b"<html><script>alert(1)</script>",
        b"MZ" + bytes(500),
        b"\xff\xd8\xff",
        picture()[:300],
        b"%!PS-Adobe-3.0 EPSF-3.0",
    ],
)
def test_what_is_no_picture_is_refused(app, content):
    assert "not a picture" in refusal(FileKind.PHOTO, content)


def test_a_bomb_of_pixels_is_refused_before_it_is_unpacked(app):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    for side in (7000, 12_000, 60_000):
        header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000)))
        assert refusal(FileKind.PHOTO, bomb + chunk(b"IEND", b""))


def test_a_large_and_an_empty_file_are_refused(app):
    assert "at most 5 MB" in refusal(FileKind.PHOTO, bytes(files.LARGEST + 1))
    assert "empty" in refusal(FileKind.PHOTO, b"")


def test_a_plain_pdf_is_kept_as_it_is(app):
    for content in (printed(), pdf(20)):
        checked = check(FileKind.RESUME, content)
        assert (checked.content_type, checked.content) == ("application/pdf", content)


def test_an_identity_document_may_be_a_picture_a_resume_may_not(app):
    assert check(FileKind.IDENTITY, picture("PNG")).content_type == "image/jpeg"
    assert check(FileKind.IDENTITY, pdf()).content_type == "application/pdf"
    assert "not a PDF" in refusal(FileKind.RESUME, picture())
    assert "not a picture" in refusal(FileKind.PHOTO, pdf())


def script_on_opening(writer):
    action = {NameObject("/S"): NameObject("/JavaScript"), NameObject("/JS"): TextStringObject("app.alert(1)")}
    writer.root_object[NameObject("/OpenAction")] = writer._add_object(DictionaryObject(action))


def hidden_script(writer):
    action = DictionaryObject({NameObject("/S"): NameObject("/JavaScript"), NameObject("/J#53"): TextStringObject("x")})
    writer.pages[0][NameObject("/Annots")] = writer._add_object(
        DictionaryObject({NameObject("/A"): writer._add_object(action)})
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (pdf(21), "at most 20 pages"),
        (pdf(change=lambda writer: writer.encrypt("secret")), "password"),
        (pdf(change=lambda writer: writer.encrypt("", "owner")), "password"),
        (pdf(change=script_on_opening), "script or another file"),
        (pdf(change=lambda writer: writer.add_attachment("a.exe", b"MZ")), "script or another file"),
        (pdf(change=hidden_script), "script or another file"),
        (b"%PDF-1.7\n" + bytes(1000), "cannot be read"),
        (b"%PDF-1.7\n<script>alert(1)</script>", "cannot be read"),
        (printed()[:400], "cannot be read"),
        (b"<html>" + pdf(), "not a PDF"),
    ],
)
def test_a_pdf_that_does_or_hides_something_is_refused(app, content, words):
    assert words in refusal(FileKind.RESUME, content)


def test_the_test_pdfs_are_what_they_say():
    assert PdfReader(io.BytesIO(pdf(change=hidden_script))).pages[0]["/Annots"]


def test_owner_and_admin_read_a_file_and_nobody_else(app, professional, admin, customer, other_professional):
    file = files.store(check(FileKind.RESUME, pdf()), professional)
    db.session.commit()
    for reader in (professional, admin):
        _, content = files.open_file(file.id, reader)
        assert content.read().startswith(b"%PDF")
        content.close()
    for stranger in (customer, other_professional):
        with pytest.raises(NotFound):
            files.open_file(file.id, stranger)


def test_only_photos_of_professionals_who_can_be_found_are_public(app, professional, customer):
    photo = files.store(check(FileKind.PHOTO, picture()), professional)
    resume = files.store(check(FileKind.RESUME, pdf()), professional)
    private = files.store(check(FileKind.PHOTO, picture()), customer)
    professional.photo_id, customer.photo_id = photo.id, private.id
    db.session.commit()
    files.public_photo(photo.id)[1].close()
    for hidden in (resume.id, private.id, "../../etc/passwd", "0" * 32):
        with pytest.raises(NotFound):
            files.public_photo(hidden)
    professional.active = False
    db.session.commit()
    with pytest.raises(NotFound):
        files.public_photo(photo.id)


def kept_files(settings):
    return [path for path in settings.upload_dir.rglob("*") if path.is_file()]


def test_a_transaction_that_fails_leaves_neither_row_nor_file(app, customer, settings):
    files.store(check(FileKind.PHOTO, picture()), customer)
    assert len(kept_files(settings)) == 1
    db.session.rollback()
    assert db.session.query(StoredFile).count() == 0
    assert kept_files(settings) == []


def test_a_file_goes_when_the_deletion_of_its_row_is_committed(app, customer, settings):
    file = files.store(check(FileKind.PHOTO, picture()), customer)
    db.session.commit()
    files.forget(file.id)
    assert len(kept_files(settings)) == 1
    db.session.rollback()
    assert len(kept_files(settings)) == 1
    files.forget(file.id)
    db.session.commit()
    assert kept_files(settings) == []


def test_a_row_whose_file_is_gone_is_not_found(app, customer, settings):
    file = files.store(check(FileKind.PHOTO, picture()), customer)
    db.session.commit()
    for path in kept_files(settings):
        path.unlink()
    with pytest.raises(NotFound):
        files.open_file(file.id, customer)


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "", "A" * 32, "0" * 31, "0" * 32 + "\n", "..\\x"])
def test_storage_knows_only_names_it_made(tmp_path, name):
    storage = LocalStorage(tmp_path / "uploads")
    for verb in (storage.open, storage.delete, lambda name: storage.put(name, b"x")):
        with pytest.raises(ValueError):
            verb(name)
    assert list(tmp_path.iterdir()) == []


def test_what_is_put_can_be_opened_once_written(tmp_path):
    storage = LocalStorage(tmp_path)
    storage.put("0" * 32, b"content")
    with storage.open("0" * 32) as content:
        assert content.read() == b"content"
    assert (tmp_path / "00" / ("0" * 32)).stat().st_mode & 0o077 == 0
    storage.delete("0" * 32)
    storage.delete("0" * 32)
    with pytest.raises(FileNotFoundError):
        storage.open("0" * 32)
