"""What an article consists of: its words, its place in the addresses, its tags, services and pictures."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask_babel import gettext as _
from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError

from domain import clock, files, markdown, places
from domain.errors import Invalid
from extensions import db
from models import Service, User
from models_guides import Guide, GuidePicture, GuideService, GuideTag, GuideWord

LANGUAGES = ("en", "hi")
LONGEST_TITLE, LONGEST_SUMMARY, LONGEST_TEXT, LONGEST_SLUG, LONGEST_TAG, LONGEST_REASON = 120, 300, 20_000, 100, 40, 500
MOST_TAGS, MOST_SERVICES, MOST_PICTURES = 6, 6, 20
# A year ahead nobody knows what they will have to say.
FURTHEST = timedelta(days=366)
# What the site answers itself under the same address.
TAKEN = frozenset({"tags", "pictures", "feed"})
LONGEST_WORD = 40
SHORTEST_WORD = 2


@dataclass(frozen=True)
class Draft:
    """What somebody typed. Without a slug one is made of the title; `alt` says what a new picture shows."""

    title: str
    summary: str
    text: str
    slug: str = ""
    tags: tuple[str, ...] = ()
    service_ids: tuple[int, ...] = ()
    language: str = "en"
    publish_at: datetime | None = None
    alt: str = ""


def fill(guide: Guide, draft: Draft, picture: files.Checked | None, by: User | None) -> None:
    """Write a draft into a guide, `by` whom its new picture then is. Raises Invalid naming the field."""
    guide.title = _text(draft.title, "title", LONGEST_TITLE, _("Give the guide a title."))
    guide.summary = _text(draft.summary, "summary", LONGEST_SUMMARY, _("Say in a sentence what it is about."))
    guide.text = _text(draft.text, "text", LONGEST_TEXT, _("Write the guide."))
    guide.language = draft.language if draft.language in LANGUAGES else LANGUAGES[0]
    guide.publish_at = _moment(draft.publish_at)
    guide.edited_at = clock.now()
    tags, services = _tags(draft.tags), _services(draft.service_ids)
    _name(guide, draft.slug)
    if picture is not None:
        _add_picture(guide, picture, draft.alt, by)
    _drop_pictures(guide)
    _replace(guide, GuideTag, [{"tag": one} for one in tags])
    _replace(guide, GuideService, [{"service_id": one, "position": n} for n, one in enumerate(services)])
    _replace(guide, GuideWord, [{"word": one} for one in sorted(_words_of(guide, tags))])
    db.session.expire(guide, ["tags", "services"])


def asked_words(text: str) -> list[str]:
    """The words by which somebody searches, as they are kept; a plural finds its singular."""
    return [word[:-1] if len(word) > 3 and word.endswith("s") else word for word in _folded(text[:300])]


def reason(text: str) -> str:
    """Why something was sent back or hidden, for who wrote it."""
    return _text(text, "reason", LONGEST_REASON, _("Say why: the author will read it."))


def tag_of(text: str) -> str:
    """A tag as it is kept: small letters, and hyphens between words. Empty for nothing."""
    kept = "".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in text.casefold())
    return "-".join(kept.split())[:LONGEST_TAG].rstrip("-")


def slug_of(title: str) -> str:
    """What an address can be made of in a title; empty when there is nothing."""
    plain = unicodedata.normalize("NFKD", title.casefold()).encode("ascii", "ignore").decode()
    return "-".join(re.findall(r"[a-z0-9]+", plain))[:LONGEST_SLUG].rstrip("-")


# -- Small print ------------------------------------------------------------------------------


def _text(text, field, most, missing):
    text = text.strip()
    if not text:
        raise Invalid(missing, field)
    if len(text) > most:
        raise Invalid(_("Use at most %(max)d characters.", max=most), field)
    return text


def _moment(publish_at):
    if publish_at is not None and publish_at > clock.now() + FURTHEST:
        raise Invalid(_("Choose a day within a year."), "publish_on")
    return publish_at


def _tags(given):
    tags = [one for one in dict.fromkeys(map(tag_of, given)) if one]
    if len(tags) > MOST_TAGS:
        raise Invalid(_("Give at most %(most)s tags.", most=MOST_TAGS), "tags")
    return tags


def _services(ids):
    if len(ids) > MOST_SERVICES:
        raise Invalid(_("Choose at most %(most)s services.", most=MOST_SERVICES), "services")
    known = set(db.session.scalars(select(Service.id).where(Service.id.in_(ids)))) if ids else set()
    return [one for one in ids if one in known]


def _name(guide, wanted):
    """Give a guide its address. Once it was published it keeps it: others have linked to it."""
    if guide.published_at is not None:
        db.session.flush()
        return
    wanted = wanted.strip()
    if wanted and slug_of(wanted) != wanted:
        raise Invalid(_("Use small letters, digits and hyphens, such as monsoon-checks."), "slug")
    if wanted in TAKEN:
        raise _taken()
    guide.slug = wanted or _free_slug(guide)
    try:
        with db.session.begin_nested():
            db.session.add(guide)
    except IntegrityError:
        raise _taken() from None


def _free_slug(guide):
    """The title's, with a number behind it if that is another's."""
    first = slug_of(guide.title)[: LONGEST_SLUG - 5] or "guide"
    like = select(Guide.slug).where(Guide.slug.startswith(first, autoescape=True), Guide.id.is_distinct_from(guide.id))
    with db.session.no_autoflush:
        known = TAKEN.union(db.session.scalars(like))
    return next(one for one in (first, *(f"{first}-{n}" for n in range(2, len(known) + 3))) if one not in known)


def _taken():
    return Invalid(_("Another guide has this address. Choose another."), "slug")


def _add_picture(guide, picture, alt, by):
    alt = _text(alt, "alt", 200, _("Say what the picture shows, for those who cannot see it."))
    if len(markdown.pictures(guide.text)) >= MOST_PICTURES:
        raise Invalid(_("A guide has at most %(most)s pictures.", most=MOST_PICTURES), "picture")
    file = files.store(picture, by)
    db.session.add(GuidePicture(file_id=file.id, guide_id=guide.id))
    guide.text = f"{guide.text}\n\n{markdown.picture(file.id, alt)}"
    db.session.flush()


def _drop_pictures(guide):
    """Pictures that the text no longer names."""
    named = markdown.pictures(guide.text)
    kept = db.session.scalars(select(GuidePicture.file_id).where(GuidePicture.guide_id == guide.id)).all()
    for name in set(kept) - named:
        db.session.execute(delete(GuidePicture).where(GuidePicture.file_id == name))
        files.forget(name)


def _replace(guide, table, rows):
    quiet = {"synchronize_session": False}
    db.session.execute(delete(table).where(table.guide_id == guide.id).execution_options(**quiet))
    if rows:
        db.session.execute(insert(table), [{"guide_id": guide.id, **row} for row in rows])


def _words_of(guide, tags):
    return set(_folded(" ".join((guide.title, guide.summary, markdown.words(guide.text), *tags))))


def _folded(text):
    """Words without case and accents; what parts them is everything that is no letter, sign or digit."""
    apart = "".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in text)
    folded = (places.fold(one)[:LONGEST_WORD] for one in apart.split())
    return [one for one in folded if len(one) >= SHORTEST_WORD]
