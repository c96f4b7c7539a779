"""What may be uploaded, what is kept of it, and who may see it.

An image is painted anew from its pixels, so nothing else of the file survives. A PDF is kept as
it is, after a look inside, and only ever leaves as a download.
"""

import io
import logging
import threading
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from flask_babel import gettext as _
from PIL import Image, ImageOps
from pypdf import PdfReader
from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject
from sqlalchemy import Select, bindparam, event, or_, select

import storage
from domain import clock
from domain.errors import Invalid, NotFound
from extensions import db, settings
from models import Approval, Booking, FileKind, Professional, StoredFile, User
from models_guides import GuidePicture
from models_lifecycle import Dispute, DisputePhoto
from models_live import Message
from storage import BucketStorage, LocalStorage, is_name, new_name

MEGABYTE = 1024 * 1024
LARGEST = 5 * MEGABYTE
MOST_PIXELS = 40_000_000
MOST_PAGES = 20
MOST_OBJECTS = 50_000
FORMATS = ("JPEG", "PNG", "WEBP")
LONGEST_SIDE = {FileKind.PHOTO: 1024, FileKind.IDENTITY: 2048, FileKind.EVIDENCE: 1600, FileKind.PICTURE: 1600}
# What may come as a document; everything else is a picture.
DOCUMENTS = frozenset({FileKind.RESUME, FileKind.IDENTITY})
PDF, JPEG = "application/pdf", "image/jpeg"
# What a document can do by itself; a page of text and pictures needs none of it.
ACTIVE = frozenset(
    {
        *("/JavaScript", "/JS", "/Launch", "/RichMedia", "/Rendition", "/XFA", "/AA"),
        *("/EmbeddedFiles", "/EmbeddedFile", "/EF", "/GoToR", "/GoToE", "/SubmitForm", "/ImportData"),
    }
)

_PUBLIC_PHOTO = (
    select(StoredFile)
    .join(User, User.photo_id == StoredFile.id)
    .join(Professional, Professional.id == User.id)
    .where(
        StoredFile.id == bindparam("file"),
        StoredFile.kind == FileKind.PHOTO,
        User.active.is_(True),
        Professional.approval == Approval.APPROVED,
    )
)

_SHOWN_EVIDENCE = (
    select(DisputePhoto.file_id)
    .join(Dispute, Dispute.id == DisputePhoto.dispute_id)
    .join(Booking, Booking.id == Dispute.booking_id)
)

_SHOWN_PICTURE = (
    select(Message.id)
    .join(Booking, Booking.id == Message.booking_id)
    .where(Message.hidden_at.is_(None), Message.professional_id == Booking.professional_id)
)

# A bad PDF is its sender's business: it would fill the log with a line for each of its faults.
logging.getLogger("pypdf").setLevel(logging.CRITICAL)
# Unpacking an image takes a hundred megabytes for a moment; one at a time is enough.
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Checked:
    """An upload that passed; made before the transaction that stores it."""

    kind: FileKind
    content_type: str
    content: bytes


def check(kind: FileKind, stream: BinaryIO) -> Checked:
    """Look into an upload and make of it what will be kept; raises Invalid naming the field.

    This is slow work: do it before the transaction begins.
    """
    content = stream.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise Invalid(_("This file is too large. Choose one of at most 5 MB."), field=kind.value)
    if not content:
        raise Invalid(_("This file is empty. Choose another."), field=kind.value)
    if kind in DOCUMENTS and content.startswith(b"%PDF-"):
        _check_pdf(content, kind)
        return Checked(kind, PDF, content)
    if kind is FileKind.RESUME:
        raise Invalid(_("This is not a PDF. Save your resume as PDF and choose it again."), field=kind.value)
    return Checked(kind, JPEG, _painted_anew(content, kind))


def store(checked: Checked, owner: User) -> StoredFile:
    """Keep a checked upload. The bytes are on the disk before the row can be committed."""
    name = new_name()
    kept().put(name, checked.content)
    _session_list("written").append(name)
    file = StoredFile(
        id=name,
        owner_id=owner.id,
        kind=checked.kind,
        content_type=checked.content_type,
        size=len(checked.content),
        created_at=clock.now(),
    )
    db.session.add(file)
    db.session.flush()
    return file


def can_store() -> bool:
    """Whether uploads can be kept at this moment."""
    return kept().can_put()


def forget(file_id: str | None) -> None:
    """Delete the row now, and the bytes once that is committed."""
    file = db.session.get(StoredFile, file_id) if file_id else None
    if file is not None:
        db.session.delete(file)
        db.session.flush()
        _session_list("unwanted").append(file.id)


def owned_by(user: User) -> Select:
    """The names of what somebody uploaded."""
    return select(StoredFile.id).where(StoredFile.owner_id == user.id)


def forget_all_of(user: User) -> None:
    """Delete what somebody uploaded, but for what is in a guide: that is the site's."""
    personal = owned_by(user).where(StoredFile.id.not_in(select(GuidePicture.file_id)))
    for file_id in db.session.scalars(personal).all():
        forget(file_id)


def names_in(beginning: str, before: datetime) -> list[str]:
    """The names of kept files that begin with two letters and were written before a moment."""
    return kept().names(beginning, before.timestamp())


def forget_strays(names: list[str]) -> int:
    """Delete those of the files that have no row, once this is committed; answer how many."""
    known = set(db.session.scalars(select(StoredFile.id).where(StoredFile.id.in_(names)))) if names else set()
    strays = [name for name in names if name not in known]
    _session_list("unwanted").extend(strays)
    return len(strays)


def open_file(file_id: str, user: User) -> tuple[StoredFile, BinaryIO]:
    """A file for its owner or an admin, and what was shown to the other side of a booking for them too;
    for everybody else there is none."""
    file = db.session.get(StoredFile, file_id) if is_name(file_id) else None
    if file is None or not (user.is_admin or file.owner_id == user.id or _is_shown_to(file, user)):
        raise NotFound(_("There is no such file."))
    return file, opened(file)


def content_of(file: StoredFile) -> bytes | None:
    """The bytes of a file that somebody may see; None when they are gone."""
    try:
        with kept().open(file.id) as content:
            return content.read()
    except FileNotFoundError:
        return None


def opened(file: StoredFile) -> BinaryIO:
    """The bytes of a file that somebody may see. Raises NotFound when they are gone."""
    content = content_of(file)
    if content is None:
        raise NotFound(_("This file is no longer there."))
    return io.BytesIO(content)


def public_photo(file_id: str) -> tuple[StoredFile, BinaryIO]:
    """The photo of a professional whom customers can find."""
    file = db.session.scalar(_PUBLIC_PHOTO, {"file": file_id}) if is_name(file_id) else None
    if file is None:
        raise NotFound(_("There is no such photo."))
    return file, opened(file)


def _is_shown_to(file, user):
    theirs = or_(Booking.professional_id == user.id, Booking.customer_id == user.id)
    shown = {
        FileKind.EVIDENCE: _SHOWN_EVIDENCE.where(DisputePhoto.file_id == file.id, theirs),
        FileKind.PICTURE: _SHOWN_PICTURE.where(Message.file_id == file.id, theirs),
    }.get(file.kind)
    return shown is not None and db.session.scalar(select(shown.exists()))


def kept() -> LocalStorage | BucketStorage:
    """Where the bytes of uploads are."""
    return storage.at(settings.upload_dir, settings.upload_url)


def _painted_anew(content: bytes, kind: FileKind) -> bytes:
    side = LONGEST_SIDE[kind]
    try:
        with _one_at_a_time, Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise Invalid(_("This picture has too many pixels. Choose a smaller one."), field=kind.value)
            image.draft("RGB", (side, side))
            fresh = _pixels(ImageOps.exif_transpose(image), side)
    except Invalid:
        raise
    except (Exception, Image.DecompressionBombWarning):
        # Whatever a decoder says about a hostile file, to its sender it is one thing.
        raise Invalid(_("This is not a picture we can read. Choose a JPEG, PNG or WebP."), field=kind.value) from None
    painted = io.BytesIO()
    fresh.save(painted, "JPEG", quality=85, optimize=True)
    return painted.getvalue()


def _pixels(image: Image.Image, side: int) -> Image.Image:
    """A new image of the same pixels, on white, no longer than `side`, that knows nothing else."""
    image.thumbnail((side, side))
    image = image.convert("RGBA")
    paper = Image.new("RGB", image.size, "white")
    paper.paste(image, mask=image.getchannel("A"))
    return Image.frombytes("RGB", paper.size, paper.tobytes())


def _check_pdf(content: bytes, kind: FileKind) -> None:
    try:
        fault = _pdf_fault(content)
    except Exception:
        fault = _("This PDF cannot be read. Save it again and choose the new one.")
    if fault:
        raise Invalid(fault, field=kind.value)


def _pdf_fault(content: bytes) -> str | None:
    reader = PdfReader(io.BytesIO(content))
    if reader.is_encrypted:
        return _("This PDF has a password. Save it without one and choose it again.")
    if not 1 <= len(reader.pages) <= MOST_PAGES:
        return _("This PDF has too many pages. Choose one of at most 20 pages.")
    if _does_something(reader):
        return _("This PDF contains a script or another file. Print it to a new PDF and choose that one.")
    return None


def _does_something(reader: PdfReader) -> bool:
    """Whether an object that can be reached from the trailer has, or names, something active."""
    waiting, seen = [reader.trailer], set()
    while waiting:
        one = waiting.pop()
        if isinstance(one, IndirectObject):
            if (one.idnum, one.generation) in seen:
                continue
            seen.add((one.idnum, one.generation))
            if len(seen) > MOST_OBJECTS:
                return True
            one = one.get_object()
        if isinstance(one, DictionaryObject):
            if ACTIVE & one.keys() or ("/S" in one and str(one["/S"]) in ACTIVE):
                return True
            waiting.extend(dict.values(one))
        elif isinstance(one, ArrayObject):
            waiting.extend(list.__iter__(one))
    return False


# Bytes are written before the commit and removed after it, so that whatever fails leaves at
# most a file without a row, never a row without a file.


def _session_list(name: str) -> list[str]:
    return db.session().info.setdefault(name, [])


@event.listens_for(db.session, "after_commit")
def _remove_unwanted(session):
    session.info.pop("written", None)
    for name in session.info.pop("unwanted", ()):
        kept().delete(name)


@event.listens_for(db.session, "after_rollback")
def _remove_written(session):
    session.info.pop("unwanted", None)
    for name in session.info.pop("written", ()):
        kept().delete(name)
