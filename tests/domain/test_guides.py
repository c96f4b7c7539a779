"""Articles: who writes them, who publishes them, when they appear, and how they are found."""

import io
from datetime import timedelta

import pytest
from PIL import Image
from sqlalchemy import func, select

from domain import articles, clock, comments, files, guides, news, reactions, users
from domain.errors import Conflict, Invalid, InvalidTransition, NotAllowed, NotFound
from extensions import db
from models import AuditEntry, FileKind, Notification, StoredFile
from models_guides import Comment, Guide, GuidePicture, GuideState, GuideTag, GuideWord, Reaction
from tests import factories

DRAFT, WAITING, SCHEDULED, PUBLISHED = GuideState
SOON = timedelta(hours=2)


def draft(**values):
    return articles.Draft(**{"title": "Leaking taps", "summary": "What to do.", "text": "Close it.", **values})


def picture():
    out = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(out, "JPEG", comment=b"where I live")
    out.seek(0)
    return files.check(FileKind.PICTURE, out)


def told(person):
    db.session.flush()
    return list(db.session.scalars(select(Notification.kind).where(Notification.user_id == person.id)))


def titles(page):
    return [guide.title for guide in page]


# -- Writing and publishing -------------------------------------------------------------------


def test_an_admin_publishes(admin):
    guide = guides.write(admin, draft())
    assert guide.state is DRAFT
    guides.submit(guide, admin)
    assert guide.state is PUBLISHED
    assert guide.published_at == clock.now()
    assert guides.published("leaking-taps") is guide


def test_what_a_professional_writes_waits_for_an_admin(professional, admin):
    guide = guides.write(professional, draft())
    guides.submit(guide, professional)
    assert guide.state is WAITING
    assert (news.ADMINS, news.COUNTERS) in db.session().info[news.MARK]
    with pytest.raises(NotFound):
        guides.published(guide.slug)
    guides.approve(guide, admin, guide.edited_at)
    assert guides.published(guide.slug) is guide
    assert told(professional) == ["guide_approved"]
    assert db.session.scalar(select(AuditEntry.action)) == "approve_guide"


@pytest.mark.parametrize("who", ["customer", "unapproved_professional"])
def test_others_write_no_guides(request, who):
    with pytest.raises(NotAllowed):
        guides.write(request.getfixturevalue(who), draft())


def test_what_comes_back_says_why_and_can_be_sent_again(professional, admin):
    guide = factories.guide(professional, publish=False)
    guides.submit(guide, professional)
    guides.send_back(guide, admin, "Name your sources.")
    assert (guide.state, guide.reason) == (DRAFT, "Name your sources.")
    assert told(professional) == ["guide_sent_back"]
    guides.submit(guide, professional)
    assert (guide.state, guide.reason) == (WAITING, "")


def test_a_reason_is_needed(professional, admin):
    guide = factories.guide(professional)
    with pytest.raises(Invalid) as refusal:
        guides.unpublish(guide, admin, "  ")
    assert refusal.value.field == "reason"


def test_what_is_unpublished_is_read_by_nobody(professional, admin):
    guide = factories.guide(professional)
    guides.unpublish(guide, admin, "It is about something else.")
    with pytest.raises(NotFound):
        guides.published(guide.slug)
    assert titles(guides.page()) == []
    assert told(professional) == ["guide_unpublished"]


@pytest.mark.parametrize("verb", ["approve", "send_back", "unpublish"])
def test_only_admins_decide(professional, other_professional, verb):
    guide = factories.guide(professional)
    with pytest.raises(NotAllowed):
        getattr(guides, verb)(guide, professional, guide.edited_at if verb == "approve" else "Because")


def test_an_admin_approves_only_what_they_have_read(professional, admin):
    """The author takes it back, changes it and sends it again behind the page of the admin."""
    guide = factories.guide(professional, publish=False)
    guides.submit(guide, professional)
    seen = guide.edited_at - timedelta(seconds=1)
    with pytest.raises(Conflict):
        guides.approve(guide, admin, seen)
    with pytest.raises(Conflict):
        guides.approve(guide, admin, None)


def test_of_two_admins_one_is_too_late(professional, admin):
    guide = factories.guide(professional, publish=False)
    guides.submit(guide, professional)
    guides.send_back(guide, admin, "Too short.")
    with pytest.raises(InvalidTransition):
        guides.approve(guide, admin, guide.edited_at)


def test_a_professional_takes_a_guide_back_to_change_it(professional):
    guide = factories.guide(professional)
    with pytest.raises(InvalidTransition):
        guides.edit(guide, professional, draft(), None, guide.edited_at)
    guides.take_back(guide, professional)
    guides.edit(guide, professional, draft(text="Open it."), None, guide.edited_at)
    assert (guide.state, guide.text) == (DRAFT, "Open it.")


def test_somebody_else_changes_nothing(professional, other_professional):
    guide = factories.guide(professional)
    with pytest.raises(NotFound):
        guides.get(guide.id, other_professional)
    for verb in (guides.take_back, guides.remove):
        with pytest.raises(NotAllowed):
            verb(guide, other_professional)


def test_an_admin_changes_what_is_published_in_front_of_its_readers(professional, admin):
    guide = factories.guide(professional)
    db.session.commit()
    guides.edit(guide, admin, draft(title="Taps"), None, guide.edited_at)
    assert guide.state is PUBLISHED
    assert (news.guide(guide.id), news.article(guide.id)) in db.session().info[news.MARK]


def test_two_windows_do_not_overwrite_each_other(admin, frozen):
    guide = factories.guide(admin)
    seen = guide.edited_at
    frozen.shift(60)
    guides.edit(guide, admin, draft(), None, seen)
    with pytest.raises(Conflict):
        guides.edit(guide, admin, draft(), None, seen)


def test_only_a_draft_is_deleted(professional):
    guide = factories.guide(professional)
    with pytest.raises(InvalidTransition):
        guides.remove(guide, professional)
    guides.take_back(guide, professional)
    guides.remove(guide, professional)
    for table in (Guide, GuideTag, GuideWord):
        assert db.session.scalar(select(func.count()).select_from(table)) == 0


# -- Scheduled --------------------------------------------------------------------------------


def test_what_is_scheduled_is_hidden_until_its_time(admin, frozen):
    guide = guides.write(admin, draft(publish_at=clock.now() + SOON))
    guides.submit(guide, admin)
    db.session.commit()
    assert guide.state is SCHEDULED
    assert guides.publish_due("", 0).count == 0
    assert titles(guides.page()) == guides.latest(5) == []
    with pytest.raises(NotFound):
        guides.published(guide.slug)
    frozen.shift(SOON)
    assert guides.publish_due("", 0).count == 1
    assert guides.publish_due("", 0).count == 0
    assert guide.published_at == clock.now()
    assert titles(guides.page()) == ["Leaking taps"]


def test_an_approved_guide_waits_for_the_time_that_its_author_chose(professional, admin):
    guide = guides.write(professional, draft(publish_at=clock.now() + SOON))
    guides.submit(guide, professional)
    guides.approve(guide, admin, guide.edited_at)
    assert guide.state is SCHEDULED


def test_nobody_schedules_for_years(admin):
    with pytest.raises(Invalid) as refusal:
        guides.write(admin, draft(publish_at=clock.now() + timedelta(days=400)))
    assert refusal.value.field == "publish_on"


# -- What it consists of ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "values, field",
    [
        ({"title": " "}, "title"),
        ({"title": "x" * 121}, "title"),
        ({"summary": ""}, "summary"),
        ({"summary": "x" * 301}, "summary"),
        ({"text": ""}, "text"),
        ({"text": "x" * 20_001}, "text"),
        ({"slug": "Two Words"}, "slug"),
        ({"slug": "pictures"}, "slug"),
        ({"tags": tuple("abcdefg")}, "tags"),
        ({"service_ids": tuple(range(7))}, "services"),
    ],
)
def test_what_cannot_be_is_refused(admin, values, field):
    with pytest.raises(Invalid) as refusal:
        guides.write(admin, draft(**values))
    assert refusal.value.field == field


def test_an_address_is_made_of_the_title_and_is_nobody_elses(admin):
    slugs = [guides.write(admin, draft()).slug for _ in range(3)]
    assert slugs == ["leaking-taps", "leaking-taps-2", "leaking-taps-3"]
    assert guides.write(admin, draft(title="नल की मरम्मत")).slug == "guide"
    assert guides.write(admin, draft(title="Tags")).slug == "tags-2"
    with pytest.raises(Invalid) as refusal:
        guides.write(admin, draft(slug="leaking-taps"))
    assert refusal.value.field == "slug"


def test_an_address_stays_once_it_was_published(admin):
    guide = factories.guide(admin)
    guides.edit(guide, admin, draft(slug="another"), None, guide.edited_at)
    assert guide.slug == "how-to-mend-a-tap"


def test_tags_are_written_alike(admin):
    guide = guides.write(admin, draft(tags=(" Water Saving", "water-saving", "पानी", "", "!")))
    assert guide.names_of_tags == ["water-saving", "पानी"]


def test_a_picture_is_painted_anew_and_goes_with_its_line(admin):
    guide = guides.write(admin, draft(alt="A tap"), picture())
    name = db.session.scalar(select(GuidePicture.file_id))
    assert guide.text == f"Close it.\n\n![A tap](/guides/pictures/{name})"
    assert b"where I live" not in files.content_of(db.session.get_one(StoredFile, name))
    guides.edit(guide, admin, draft(), None, guide.edited_at)
    assert db.session.scalar(select(func.count()).select_from(StoredFile)) == 0


def test_a_picture_needs_words(admin):
    with pytest.raises(Invalid) as refusal:
        guides.write(admin, draft(), picture())
    assert refusal.value.field == "alt"


def test_a_picture_is_seen_by_whoever_reads_its_guide(admin, professional, other_professional):
    guide = guides.write(professional, draft(alt="A tap"), picture())
    db.session.commit()
    name = db.session.scalar(select(GuidePicture.file_id))
    for reader in (professional, admin):
        assert guides.picture(name, reader)[1].id == name
    for reader in (other_professional, None):
        with pytest.raises(NotFound):
            guides.picture(name, reader)
    guides.submit(guide, professional)
    guides.approve(guide, admin, guide.edited_at)
    assert guides.picture(name, None)[1].id == name


# -- Finding ----------------------------------------------------------------------------------


def test_words_find_guides_by_their_beginnings_and_without_accents(admin):
    factories.guide(admin, title="Geyser safety", text="Check the **valve** of the heater twice.", tags=("winter",))
    factories.guide(admin, title="Saving water", text="Mend taps, [and](https://example.com/heater) save.")
    factories.guide(admin, title="पानी की बचत", text="टपकता नल ठीक करें।", language="hi")
    found = {
        "geyser": ["Geyser safety"],
        "VALVES": ["Geyser safety"],
        "heat": ["Geyser safety"],
        "winter": ["Geyser safety"],
        "tap mend": ["Saving water"],
        "wäter": ["Saving water"],
        "पानी": ["पानी की बचत"],
        "geyser tap": [],
        "example": [],
    }
    assert {words: titles(guides.page(words)) for words in found} == found


def test_strange_questions_find_all_or_nothing(admin):
    factories.guide(admin)
    for words in ("", " ", "%", "_", "'", "\\", "a", "\x00", "-" * 200):
        assert len(guides.page(words)) == 1, words
    assert len(guides.page("x" * 5000)) == 0


def test_pages_are_complete_and_each_guide_is_on_one(admin, frozen):
    for number in range(45):
        factories.guide(admin, title=f"Guide {number}", tags=("all", f"n{number % 2}"))
        frozen.shift(number % 2)
    seen, after = [], None
    while True:
        page = guides.page("guide", after=after)
        seen += titles(page)
        if not (after := page.next_cursor):
            break
    assert seen == [f"Guide {n}" for n in reversed(range(45))]
    assert len(guides.page(tag="n1").items) == 20
    assert guides.tags() == ["all", "n0", "n1"]


# -- Those who go -----------------------------------------------------------------------------


def test_what_an_erased_professional_wrote_goes_with_them(professional, customer, admin):
    guide = guides.write(professional, draft(alt="A tap"), picture())
    guides.submit(guide, professional)
    guides.approve(guide, admin, guide.edited_at)
    reactions.put(guide, customer, "happy")
    comments.write(guide, customer, "Thank you.")
    db.session.commit()
    users.anonymise(professional, admin, "They asked for it.")
    db.session.commit()
    for table in (Guide, GuidePicture, StoredFile, Reaction, Comment):
        assert db.session.scalar(select(func.count()).select_from(table)) == 0, table


def test_what_an_admin_wrote_for_the_site_stays_without_their_name(admin):
    guide = guides.write(admin, draft(alt="A tap"), picture())
    guides.submit(guide, admin)
    db.session.commit()
    users.anonymise(admin, factories.admin(), "They left.")
    db.session.commit()
    assert guides.published(guide.slug).author is None
    assert db.session.scalar(select(func.count()).select_from(StoredFile)) == 1


def test_of_an_erased_reader_nothing_is_left(customer, other_customer, admin):
    guide = factories.guide(admin)
    for person in (customer, other_customer):
        reactions.put(guide, person, "happy")
    comments.write(guide, customer, "Thank you.")
    theirs = comments.write(guide, other_customer, "Thank you.")
    comments.show(theirs, admin)
    theirs.decided_at = None
    comments.report(theirs, customer, "I know her.")
    users.anonymise(customer, admin, "They asked for it.")
    db.session.commit()
    db.session.expire_all()
    assert [one.user_id for one in db.session.scalars(select(Reaction))] == [other_customer.id]
    assert [(one.id, one.report, one.reported_by_id) for one in db.session.scalars(select(Comment))] == [
        (theirs.id, "", None)
    ]
