"""The pages of guides: reading, feeling and saying something, writing, and what admins do."""

import io
import re
from datetime import timedelta
from xml.dom.minidom import parseString

import html5lib
import pytest
from PIL import Image
from sqlalchemy import select

import init_db
from config import load
from domain import articles, clock, comments, guides, markdown
from environment import BadSetting
from extensions import db
from models_guides import Comment, CommentState, Guide, GuideState, Reaction
from tests import factories

LOOK = {"HX-Request": "true"}
TYPED = {"title": "Leaking taps", "summary": "What to do.", "text": "## First\n\nClose it.", "language": "en"}


@pytest.fixture
def guide(app):
    return factories.guide()


def picture():
    out = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(out, "PNG")
    out.seek(0)
    return out, "tap.png"


def only():
    db.session.rollback()
    return db.session.scalars(select(Guide)).one()


# -- Reading ----------------------------------------------------------------------------------


def test_a_guide_is_read_with_its_services_at_the_end(client, guide):
    page = client.get("/guides/how-to-mend-a-tap")
    assert "<h2>Begin</h2>" in page.text
    assert "/search?service=bathroom-deep-cleaning" in page.text
    assert '<a class="chip" href="/guides/tags/plumbing">plumbing</a>' in page.text
    assert 'data-look="reactions-1"' in page.text
    assert "guide=1" in page.text


def test_what_is_not_published_is_not_there(client, professional):
    factories.guide(professional, publish=False)
    assert client.get("/guides/how-to-mend-a-tap").status_code == 404
    assert client.get("/guides/how-to-mend-a-tap/reactions", headers=LOOK).status_code == 404
    assert "How to mend a tap" not in client.get("/guides").text + client.get("/guides/feed.xml").text


def test_the_list_is_searched_and_has_tags(client, guide):
    factories.guide(title="Geyser safety", tags=("winter",))
    assert "Geyser safety" not in client.get("/guides?q=taps").text
    assert "How to mend a tap" not in client.get("/guides/tags/winter").text
    assert "No guide has all of these words" in client.get("/guides?q=zebra").text
    assert client.get("/guides/tags/Winter").location == "/guides/tags/winter"
    assert client.get("/guides?after=x").status_code == 422


def test_later_pages_keep_what_was_asked(client):
    for number in range(21):
        factories.guide(title=f"Guide {number}")
    page = client.get("/guides?q=guide")
    following = re.search(r'rel="next" href="([^"]+)"', page.text)[1].replace("&amp;", "&")
    assert following.startswith("/guides?q=guide&after=")
    assert "Guide 0</a>" in client.get(following).text
    following = re.search(r'rel="next" href="([^"]+)"', client.get("/guides/tags/plumbing").text)[1]
    assert "Guide 0</a>" in client.get(following).text


def test_the_feed_is_a_feed(client):
    factories.guide(title="Taps & <valves>", summary="Less than < more")
    answer = client.get("/guides/feed.xml")
    assert answer.content_type == "application/rss+xml; charset=utf-8"
    feed = parseString(answer.data)
    item = feed.getElementsByTagName("item")[0]
    said = {name: item.getElementsByTagName(name)[0].firstChild.data for name in ("title", "link", "pubDate")}
    assert said["title"] == "Taps & <valves>"
    assert said["link"].startswith("http")
    assert said["link"].endswith("/guides/taps-valves")
    assert said["pubDate"] == "Mon, 23 Nov 2026 03:30:00 GMT"
    assert client.get("/guides/feed.xml", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304


# -- Feeling ----------------------------------------------------------------------------------


def test_a_click_counts_and_a_second_takes_back(as_, customer, guide):
    client = as_(customer)
    url = "/guides/how-to-mend-a-tap/reactions/happy"
    for on, number in (("1", "1"), ("1", "1"), ("0", "0"), ("0", "0")):
        answer = client.post(url, data={"on": on}, headers=LOOK)
        assert f'data-number="happy">{number}<' in answer.text
        assert "<h1" not in answer.text


def test_without_scripts_a_click_leads_back_to_the_guide(as_, customer, guide):
    answer = as_(customer).post("/guides/how-to-mend-a-tap/reactions/happy", data={"on": "1"})
    assert (answer.status_code, answer.location) == (303, "/guides/how-to-mend-a-tap#reactions")
    assert db.session.scalars(select(Reaction.kind)).all() == ["happy"]


def test_who_is_not_logged_in_is_led_to_the_log_in_and_back(client, guide):
    to_login = "/login?next=/guides/how-to-mend-a-tap"
    assert client.get("/guides/how-to-mend-a-tap").text.count(f'href="{to_login}"') == 7
    assert client.post("/guides/how-to-mend-a-tap/reactions/happy").location == to_login
    answer = client.post("/guides/how-to-mend-a-tap/comments", headers=LOOK)
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (401, to_login)


def test_an_unknown_reaction_is_none(as_, customer, guide):
    assert as_(customer).post("/guides/how-to-mend-a-tap/reactions/bored", data={"on": "1"}).status_code == 404


def test_the_numbers_alone_are_for_scripts(client, guide):
    assert client.get("/guides/how-to-mend-a-tap/reactions").location == "/guides/how-to-mend-a-tap#reactions"


# -- Saying -----------------------------------------------------------------------------------


def test_a_comment_waits_and_shows_a_first_name_and_links(as_, client, customer, admin, guide):
    mine = as_(customer)
    said = {"text": "See https://example.com"}
    page = mine.post("/guides/how-to-mend-a-tap/comments", data=said, follow_redirects=True)
    assert "once we have read it" in page.text
    assert "Only you see this yet" in page.text
    assert "https://example.com" not in client.get("/guides/how-to-mend-a-tap").text
    waiting = as_(admin).get("/admin/comments").text
    assert "Asha Rao" in waiting
    as_(admin).post("/admin/comments/1/show")
    shown = client.get("/guides/how-to-mend-a-tap").text
    assert '<a href="https://example.com" rel="nofollow ugc noopener noreferrer"' in shown
    assert "<b class=\"text-body\">Asha</b>" in shown
    assert "Rao" not in shown


def test_a_refused_comment_stays_in_its_form(as_, customer, guide):
    page = as_(customer).post("/guides/how-to-mend-a-tap/comments", data={"text": "x" * 2001})
    assert page.status_code == 422
    assert "x" * 2001 in page.text


def test_with_comments_off_there_is_nothing_of_them(as_, customer, guide, set_up):
    set_up(guide_comments="off")
    assert "Comments" not in as_(customer).get("/guides/how-to-mend-a-tap").text
    assert as_(customer).post("/guides/how-to-mend-a-tap/comments", data={"text": "Hello"}).status_code in (403, 422)
    assert not db.session.scalars(select(Comment)).all()


def test_a_comment_is_reported_and_hidden(as_, client, customer, professional, admin, guide, set_up):
    set_up(guide_comments="open")
    said = comments.write(guide, customer, "Buy my pills.")
    db.session.commit()
    report = f"/guides/how-to-mend-a-tap/comments/{said.id}/report"
    assert report in as_(professional).get("/guides/how-to-mend-a-tap").text
    as_(professional).post(report, data={"reason": "Spam"})
    assert "Spam" in as_(admin).get("/admin/comments").text
    as_(admin).post(f"/admin/comments/{said.id}/hide", data={"reason": "Advertising"})
    assert "pills" not in client.get("/guides/how-to-mend-a-tap").text
    assert "Advertising" in as_(admin).get("/admin/comments?show=decided").text


# -- Writing ----------------------------------------------------------------------------------


def test_a_professional_writes_looks_and_sends(as_, professional):
    client = as_(professional)
    page = client.post("/my-guides/new", data={**TYPED, "act": "preview"})
    assert page.status_code == 200
    assert "<h2>First</h2>" in page.text
    assert not db.session.scalars(select(Guide)).all()
    page = client.post("/my-guides/new", data={**TYPED, "act": "send"}, follow_redirects=True)
    assert "To approve" in page.text
    assert (only().state, only().author_id) == (GuideState.WAITING, professional.id)


def test_the_live_preview_is_washed_and_is_no_page(as_, professional):
    answer = as_(professional).post("/my-guides/preview", data={"text": "**a** <img src=x onerror=alert(1)>"})
    assert "<strong>a</strong> &lt;img" in answer.text
    assert "<h1" not in answer.text


def test_a_picture_comes_with_the_form(as_, admin):
    client = as_(admin)
    client.post("/my-guides/new", data={**TYPED, "picture": picture(), "alt": "A tap"})
    name = markdown.pictures(only().text).pop()
    answer = client.get(f"/guides/pictures/{name}")
    assert (answer.content_type, answer.headers["Cache-Control"]) == ("image/jpeg", "private, no-store")
    client.post("/my-guides/1/submit")
    assert client.application.test_client().get(f"/guides/pictures/{name}").status_code == 200


def test_what_is_no_picture_is_refused_beside_its_field(as_, admin):
    page = as_(admin).post("/my-guides/new", data={**TYPED, "picture": (io.BytesIO(b"<svg/>"), "x.svg"), "alt": "A"})
    assert page.status_code == 422
    assert "not a picture we can read" in page.text


def test_a_day_to_publish_is_one_of_the_sites_clock(as_, admin):
    form = {**TYPED, "publish_on": "2026-12-01", "publish_time": "07:30", "act": "send"}
    as_(admin).post("/my-guides/new", data=form)
    assert only().state is GuideState.SCHEDULED
    assert clock.local(only().publish_at).isoformat() == "2026-12-01T07:30:00+05:30"


def test_a_guide_is_changed_and_a_stale_window_is_not_heeded(as_, admin, frozen):
    guide = factories.guide(admin, publish=False)
    seen = guide.edited_at.isoformat()
    frozen.shift(timedelta(minutes=1))
    client = as_(admin)
    services = {"services": [str(factories.service().id)], "tags": "water, winter"}
    assert client.post("/my-guides/1/edit", data={**TYPED, **services, "seen": seen}).status_code == 303
    assert (only().title, only().names_of_tags) == ("Leaking taps", ["water", "winter"])
    page = client.post("/my-guides/1/edit", data={**TYPED, "title": "Mine", "seen": seen})
    assert page.status_code == 409
    assert 'value="Mine"' in page.text


def test_an_admin_reads_decides_and_gives_reasons(as_, client, professional, admin):
    guide = factories.guide(professional, publish=False)
    as_(professional).post("/my-guides/1/submit")
    house = as_(admin)
    assert "How to mend a tap" in house.get("/admin/guides?state=waiting").text
    seen = re.search(r'name="seen" value="([^"]+)"', house.get("/my-guides/1").text)[1]
    assert house.post("/admin/guides/1/approve", data={}).status_code == 409
    house.post("/admin/guides/1/approve", data={"seen": seen.replace("&#43;", "+")})
    assert client.get(f"/guides/{guide.slug}").status_code == 200
    house.post("/admin/guides/1/unpublish", data={"reason": "Name your sources."})
    assert client.get(f"/guides/{guide.slug}").status_code == 404
    assert "Name your sources." in as_(professional).get("/my-guides/1").text
    assert "Name your sources." in as_(professional).get("/notifications").text


# -- What ships with the site -----------------------------------------------------------------


def test_the_articles_that_ship_are_sound(app):
    init_db.load_guides()
    db.session.commit()
    found = db.session.scalars(select(Guide)).all()
    assert len(found) == 12
    known = {guide.slug for guide in found}
    for guide in found:
        assert guide.author is None
        assert guide.state is GuideState.PUBLISHED
        assert 500 <= len(markdown.words(guide.text).split()) <= 950, guide.slug
        assert guide.services, guide.slug
        assert guide.tags, guide.slug
        assert "](https://" in guide.text.partition("\n## Sources\n")[2], guide.slug
        tree = html5lib.parseFragment(markdown.html(guide.text), namespaceHTMLElements=False)
        inner = [one.get("href") for one in tree.iter("a") if one.get("href").startswith("/")]
        assert {one.removeprefix("/guides/") for one in inner} <= known, guide.slug


def test_the_articles_are_loaded_once_and_changes_are_kept(app, admin):
    init_db.load_guides()
    db.session.commit()
    guide = guides.latest(1)[0]
    guides.edit(guide, admin, articles.Draft("Changed", "By us.", "Our words."), None, guide.edited_at)
    db.session.commit()
    if not init_db._any(Guide.id):
        init_db.load_guides()
    assert guides.latest(1)[0].title == "Changed"


def test_the_settings_of_guides():
    site = {"SECRET_KEY": "x" * 40}
    assert load(site).guide_reactions[:3] == ("happy", "surprised", "confused")
    assert load({**site, "GUIDE_REACTIONS": "confused, happy surprised,sad"}).guide_reactions[-1] == "sad"
    for bad in ("happy, sad", "happy surprised confused bored"):
        with pytest.raises(BadSetting):
            load({**site, "GUIDE_REACTIONS": bad})
    with pytest.raises(BadSetting):
        load({**site, "GUIDE_COMMENTS": "perhaps"})


def test_comments_of_a_hidden_state_are_seen_by_nobody(client, customer, guide):
    said = comments.write(guide, customer, "Invisible ink")
    for state in (CommentState.WAITING, CommentState.HIDDEN):
        said.state = state
        db.session.commit()
        assert "Invisible" not in client.get("/guides/how-to-mend-a-tap").text
