"""What is kept of public pages: cleared with the commit of what makes it stale and not before, and nobody's own."""

import dataclasses
import io
import re
import threading
from datetime import date, timedelta
from urllib.request import urlopen

import pytest
from jinja2 import meta
from sqlalchemy import insert, select, update

import caching
import sharing
from config import ROOT
from domain import clock, editions, files, learning, professionals, reviews, services, tastes, users
from extensions import begin_write, cache, db
from models import FileKind, Service, Status, User
from models_live import Edition
from models_taste import AreaService
from tests import databases, factories
from tests.domain.test_files import picture
from tests.processes import Process
from tests.redises import Redis

SERVICE = "Tap repair"
NEAR = f"/?where={factories.CITY_PIN}"


@pytest.fixture
def redis_server(tmp_path):
    server = Redis(tmp_path)
    yield server
    server.stop()


@pytest.fixture(params=["in memory", "in Redis"])
def kept(request, app):
    """Parts are kept in memory, and then in Redis."""
    if request.param == "in Redis":
        request.getfixturevalue("shared")
    return request.param


@pytest.fixture
def shared(app, redis_server):
    """Parts are kept in a Redis."""
    with_redis = dataclasses.replace(app.config["SETTINGS"], redis_url=redis_server.url)
    in_memory = app.extensions["cache"][cache]
    cache.init_app(app, caching._configuration(with_redis))
    yield redis_server
    app.extensions["cache"][cache] = in_memory


@pytest.fixture
def plumber(app):
    return factories.professional(name="Dev Menon", services=[factories.service(SERVICE)])


@pytest.fixture
def review(customer, plumber):
    booking = factories.booking(customer, plumber, status=Status.CLOSED)
    written = reviews.write(booking, customer, 5, "On time and thorough.")
    db.session.commit()
    return written


@pytest.fixture
def anybody(app):
    """anybody(path) is a page as somebody sees it who has never been here."""

    def read(path):
        page = app.test_client().get(path)
        assert page.status_code == 200
        return page.text

    return read


def without_tokens(text):
    return re.sub(r'(content|value)="[\w.-]{60,}"|data-known="\d+"', "", text)


def parts_of(path, anybody, monkeypatch):
    """The parts that a page had to make."""
    made, really = [], caching.made
    with monkeypatch.context() as patch:
        patch.setattr(caching, "made", lambda part, load: made.append(part) or really(part, load))
        anybody(path)
    return made


# -- Kept -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path, parts",
    [
        ("/", {caching.CATEGORIES, caching.POPULAR}),
        (NEAR, {caching.CATEGORIES, caching.POPULAR, caching.NEARBY}),
        ("/services", {caching.SERVICES}),
        ("/professionals/{id}", {caching.REVIEWS}),
    ],
)
def test_a_part_is_made_once(kept, anybody, plumber, monkeypatch, path, parts):
    path = path.format(id=plumber.id)
    assert set(parts_of(path, anybody, monkeypatch)) == parts
    assert not parts_of(path, anybody, monkeypatch)


def test_each_language_has_its_own(app, kept, monkeypatch):
    pages = {
        language: app.test_client().get("/services", headers={"Accept-Language": language}).text
        for language in ("en", "hi", "en", "hi")
    }
    assert 'lang="en"' in pages["en"]
    assert 'lang="hi"' in pages["hi"]
    assert " min" in pages["en"]
    assert " min<" not in pages["hi"]
    assert pages["en"] != pages["hi"]


def test_following_pages_of_reviews_are_not_kept(anybody, plumber, review, monkeypatch):
    path = f"/professionals/{plumber.id}?after=WzFd"
    assert parts_of(path, anybody, monkeypatch) == parts_of(path, anybody, monkeypatch) == [caching.REVIEWS]


def test_after_ten_minutes_a_part_is_made_anew_whatever_happened(anybody, frozen):
    assert "Leaky taps" not in anybody("/services")
    db.session.execute(update(Service).where(Service.name == SERVICE).values(name="Leaky taps"))
    db.session.commit()
    assert "Leaky taps" not in anybody("/services")
    frozen.shift(timedelta(seconds=caching.TEN_MINUTES + 1))
    assert "Leaky taps" in anybody("/services")


# -- Cleared ----------------------------------------------------------------------------------


def edited(one, admin, name):
    values = {"category_id": one.category_id, "base_price": one.base_price, "duration_minutes": one.duration_minutes}
    services.edit_service(one, admin, name=name, **values)


def test_a_changed_catalogue_shows_at_once(kept, anybody, admin, plumber, review):
    paths = ["/", "/services", f"/professionals/{plumber.id}"]
    assert all(SERVICE in anybody(path) for path in paths)
    edited(factories.service(SERVICE), admin, "Leaky taps")
    db.session.commit()
    for path in paths:
        page = anybody(path)
        assert "Leaky taps" in page, path
        assert SERVICE not in page.replace('placeholder="Tap repair"', ""), path


@pytest.mark.parametrize("remove", [services.retire_service, services.delete_service])
def test_a_service_that_is_gone_is_on_no_list(kept, anybody, admin, remove):
    assert SERVICE in anybody("/services")
    remove(factories.service(SERVICE), admin)
    db.session.commit()
    assert SERVICE not in anybody("/services")


def test_a_retired_category_leaves_and_comes_back(kept, anybody, admin):
    category = factories.service(SERVICE).category
    for verb, shown in ((services.retire_category, False), (services.restore_category, True)):
        assert (SERVICE in anybody("/services")) is not shown
        verb(category, admin)
        db.session.commit()
        assert (SERVICE in anybody("/services")) is shown


def test_who_pauses_is_counted_no_more(kept, anybody, plumber):
    assert "1</strong> professional within" in anybody(NEAR)
    professionals.set_pause(plumber.professional, plumber, True)
    db.session.commit()
    assert "professional within" not in anybody(NEAR)


def test_reviews_show_as_they_are_now(kept, anybody, customer, plumber, admin):
    path = f"/professionals/{plumber.id}"
    booking = factories.booking(customer, plumber, status=Status.CLOSED)
    assert "No reviews yet" in anybody(path)
    written = reviews.write(booking, customer, 2, "Late")
    db.session.commit()
    assert ">Late<" in anybody(path)
    for change, shown in (
        (lambda: reviews.edit(written, customer, 3, "Late, but good"), "Late, but good"),
        (lambda: reviews.reply(written, plumber, "The road was closed."), "The road was closed."),
        (lambda: reviews.hide(written, admin, "Insulting"), "No reviews yet"),
        (lambda: reviews.show(written, admin), "The road was closed."),
    ):
        assert shown not in anybody(path)
        change()
        db.session.commit()
        assert shown in anybody(path)


def test_a_new_name_shows_with_the_reviews_and_the_replies(kept, anybody, customer, plumber, review):
    path = f"/professionals/{plumber.id}"
    reviews.reply(review, plumber, "Thank you!")
    db.session.commit()
    assert ">Asha<" in anybody(path)
    users.change_profile(customer, customer, name="Usha Rao", phone="")
    users.change_profile(plumber, plumber, name="Deva Menon", phone=plumber.phone)
    db.session.commit()
    page = anybody(path)
    assert ">Usha<" in page
    assert "Deva Menon replied" in page
    assert "Asha" not in page
    assert "Dev Menon" not in page


def test_nothing_that_is_kept_names_who_was_anonymised(kept, anybody, customer, plumber, admin, review):
    path = f"/professionals/{plumber.id}"
    assert ">Asha<" in anybody(path)
    users.anonymise(customer, admin, "They asked us to")
    db.session.commit()
    assert "Asha" not in anybody(path)


def test_what_was_counted_at_night_shows_in_the_morning(kept, anybody, plumber):
    assert "Often booked" not in anybody("/")
    season, service = tastes.season_of(clock.today() + tastes.AHEAD), factories.service(SERVICE)
    begin_write()
    learning.learn(str(date(2026, 11, 23)), 0)
    booked = {"state": "", "district": "", "season": season, "service_id": service.id, "households": 9}
    db.session.execute(insert(AreaService), booked)
    db.session.commit()
    assert "Often booked" in anybody("/")


# -- Neither too early nor for nothing --------------------------------------------------------


def test_what_is_taken_back_clears_nothing(kept, anybody, admin, monkeypatch):
    before = anybody("/services")
    edited(factories.service(SERVICE), admin, "Leaky taps")
    db.session.rollback()
    assert not parts_of("/services", anybody, monkeypatch)
    assert without_tokens(anybody("/services")) == without_tokens(before)
    db.session.commit()
    assert not parts_of("/services", anybody, monkeypatch)


def test_the_end_of_a_savepoint_clears_nothing_and_loses_nothing(anybody, admin):
    anybody("/services")
    marks = select(Edition.name, Edition.mark).order_by(Edition.name)
    before = db.session.execute(marks).all()
    edited(factories.service(SERVICE), admin, "Leaky taps")
    with db.session.begin_nested():
        pass
    assert db.session.execute(marks).all() == before
    with pytest.raises(ZeroDivisionError), db.session.begin_nested():
        raise ZeroDivisionError
    db.session.commit()
    assert "Leaky taps" in anybody("/services")


def catalogue_page():
    names = db.session.scalars(select(Service.name).order_by(Service.id)).all()
    category = {"name": "All", "slug": "all", "services": [_shown(name) for name in names]}
    return {"categories": [category]}


def _shown(name):
    return {"name": name, "slug": "s", "base_price": 100, "duration_minutes": 30, "description": ""}


def test_what_may_never_come_to_be_is_not_kept(app, kept, admin):
    with app.test_request_context("/"):
        edited(factories.service(SERVICE), admin, "Leaky taps")
        assert "Leaky taps" in caching.text(caching.SERVICES, catalogue_page)
        db.session.rollback()
    with app.test_request_context("/"):
        assert SERVICE in caching.text(caching.SERVICES, catalogue_page)


@pytest.mark.parametrize("reads", ["before the change", "after the change"])
def test_who_reads_while_somebody_changes_keeps_nothing_stale(app, kept, admin, reads):
    """The reader asks for the editions; then a change is committed; then the reader keeps what it has made."""
    admin_id, changed = admin.id, []

    def change():
        with app.app_context():
            begin_write()
            edited(factories.service(SERVICE), db.session.get(User, admin_id), "Leaky taps")
            db.session.commit()

    def load():
        found = catalogue_page() if reads == "before the change" else None
        if not changed:
            changed.append(threading.Thread(target=change))
            changed[0].start()
            changed[0].join()
        return found or catalogue_page()

    def read():
        text = []

        def ask():
            with app.test_request_context("/"):
                text.append(caching.text(caching.SERVICES, load))

        reader = threading.Thread(target=ask)
        reader.start()
        reader.join()
        return text[0]

    db.session.commit()
    read()
    assert "Leaky taps" in read()
    assert SERVICE not in read()


def test_two_that_change_the_same_at_once_do_not_wait_for_each_other(app, admin, customer):
    """Each makes new editions of the same two, named in the other order."""
    failed = []

    def change(*names):
        try:
            with app.app_context():
                for _ in range(20):
                    begin_write()
                    editions.changed(*names)
                    db.session.commit()
        except Exception as error:
            failed.append(error)

    both = [threading.Thread(target=change, args=names) for names in (("a", "b"), ("b", "a"))]
    db.session.commit()
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert not failed


# -- Nobody's own -----------------------------------------------------------------------------

READERS = (None, "customer", "other_customer", "professional", "admin")
PAGES = ("/", NEAR, "/services", "/professionals/{id}")


@pytest.fixture
def cast(customer, other_customer, professional, admin):
    factories.address(customer)
    factories.address(other_customer, pincode="560034")
    writer = factories.customer(name="Hari Das", email="hari@example.com")
    factories.review(factories.booking(writer, professional, status=Status.CLOSED))
    return {"customer": customer, "other_customer": other_customer, "professional": professional, "admin": admin}


def test_a_part_knows_nothing_of_a_reader(app):
    """Nor does what it includes; of the components it takes single macros."""
    names = [f"parts/{path.name}" for path in (ROOT / "templates" / "parts").iterdir()]
    for name in names:
        tree = app.jinja_env.parse(app.jinja_env.loader.get_source(app.jinja_env, name)[0])
        assert not meta.find_undeclared_variables(tree) & set(caching.OF_THE_READER), name
        names += [one for one in meta.find_referenced_templates(tree) if not one.startswith("components/")]
    assert "public/service_list.html" in names


@pytest.mark.parametrize("path", PAGES)
def test_whoever_reads_a_page_first_the_others_see_their_own(app, as_, cast, path):
    path = path.format(id=cast["professional"].id)

    def read(reader):
        client = as_(cast[reader]) if reader else app.test_client()
        return without_tokens(client.get(path).text)

    alone = {}
    for reader in READERS:
        cache.clear()
        alone[reader] = read(reader)
    assert len(set(alone.values())) == len(READERS)
    for first in READERS:
        cache.clear()
        read(first)
        for reader in READERS:
            assert read(reader) == alone[reader], f"{reader} after {first}"


def test_what_is_kept_names_nobody_who_reads(app, as_, cast):
    for reader in READERS[1:]:
        for path in PAGES:
            as_(cast[reader]).get(path.format(id=cast["professional"].id))
    texts = [bytes(value) for _expires, value in app.extensions["cache"][cache]._cache.values()]
    assert len(texts) >= 5
    for text in texts:
        assert b"csrf" not in text
        for person in (cast[reader] for reader in READERS[1:]):
            assert person.email.encode() not in text
            assert person.name.encode() not in text


def test_every_part_is_looked_at_here():
    parts = {value for value in vars(caching).values() if isinstance(value, caching.Part)}
    assert parts == {caching.CATEGORIES, caching.POPULAR, caching.NEARBY, caching.SERVICES, caching.REVIEWS}
    assert {ROOT / "templates" / part.template for part in parts} == set((ROOT / "templates" / "parts").glob("*"))


# -- Redis ------------------------------------------------------------------------------------


def test_without_redis_pages_are_made_anew(shared, anybody, frozen, caplog):
    before = without_tokens(anybody("/services"))
    shared.stop()
    assert without_tokens(anybody("/services")) == before
    assert without_tokens(anybody("/services")) == before
    assert caplog.text.count("pages do without the cache") == 1


@pytest.mark.realtime
def test_when_redis_is_back_parts_are_kept_again(shared, anybody, monkeypatch):
    monkeypatch.setattr(sharing, "SECONDS_OF_A_PAUSE", 0.0)
    shared.stop()
    assert parts_of("/services", anybody, monkeypatch) == parts_of("/services", anybody, monkeypatch) != []
    shared.start()
    anybody("/services")
    assert not parts_of("/services", anybody, monkeypatch)


def test_in_redis_there_are_texts_and_nothing_that_can_run(app, shared, anybody):
    anybody("/services")
    backend = app.extensions["cache"][cache]
    names = backend._read_client.keys("doorstep:part:*")
    assert names
    assert all(backend._read_client.get(name).decode().startswith("<") for name in names)
    assert 0 < backend._read_client.ttl(names[0]) <= caching.TEN_MINUTES


def test_another_release_or_site_does_not_find_these(app):
    own = caching._version(app.config["SETTINGS"])
    assert own == caching._version(app.config["SETTINGS"])
    assert own != caching._version(dataclasses.replace(app.config["SETTINGS"], currency="JPY"))


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.realtime
@pytest.mark.parametrize("where", ["in memory", "in Redis"])
def test_what_one_process_changes_the_others_show_at_once(admin, worker_name, tmp_path, redis_server, where):
    admin_id = admin.id
    db.session.remove()
    db.engine.dispose()
    environment = {"SCHEDULER": "off", **({"REDIS_URL": redis_server.url} if where == "in Redis" else {})}
    sites = [Process(tmp_path / f"process{n}", databases.url(worker_name), **environment) for n in range(2)]

    def pages():
        # Twice, so that it is kept.
        return [urlopen(f"{site.address}/services").read().decode() for site in sites for _ in range(2)]

    try:
        assert all(SERVICE in page for page in pages())
        for name in ("Leaky taps", "Dripping taps"):
            begin_write()
            edited(factories.service(SERVICE), db.session.get(User, admin_id), name)
            db.session.commit()
            assert all(name in page for page in pages())
            db.session.execute(update(Service).where(Service.name == name).values(name=SERVICE))
            db.session.commit()
            assert all(name in page for page in pages()), "it was not kept"
    finally:
        ended = [site.stop() for site in sites]
    assert ended == [0, 0]
    assert not [site.log for site in sites if "Traceback" in site.log]


# -- What a browser may keep ------------------------------------------------------------------

PUBLIC = ["/", "/services", "/services/plumbing", "/search?q=tap", "/about", "/help", "/guides"]


def test_a_browser_that_has_a_page_is_told_that_it_is_the_same(app, plumber):
    client = app.test_client()
    for path in [*PUBLIC, f"/professionals/{plumber.id}"]:
        page = client.get(path)
        assert page.headers["Cache-Control"] == "private, no-cache"
        assert {"Cookie", "Accept-Language"} <= set(page.vary), path
        again = client.get(path, headers={"If-None-Match": page.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b""), path
        assert again.headers["ETag"] == page.headers["ETag"]
        assert again.headers["Content-Security-Policy"] == page.headers["Content-Security-Policy"]


def test_a_page_that_has_changed_is_sent(app, admin, plumber):
    client = app.test_client()
    known = client.get("/services").headers["ETag"]
    edited(factories.service(SERVICE), admin, "Leaky taps")
    db.session.commit()
    page = client.get("/services", headers={"If-None-Match": known})
    assert (page.status_code, "Leaky taps" in page.text) == (200, True)


def test_free_slots_are_never_kept(app, customer, plumber):
    client, path = app.test_client(), f"/professionals/{plumber.id}"
    known = client.get(path).headers["ETag"]
    factories.booking(customer, plumber)
    assert client.get(path, headers={"If-None-Match": known}).status_code == 200


def test_a_page_with_the_token_of_one_browser_is_not_that_of_another(app):
    known = app.test_client().get("/services").headers["ETag"]
    assert app.test_client().get("/services", headers={"If-None-Match": known}).status_code == 200


def test_the_token_in_a_page_that_was_kept_still_works(app, frozen):
    client = app.test_client()
    client.csrf = False
    page = client.get("/services")
    frozen.shift(timedelta(days=2))
    assert client.get("/services", headers={"If-None-Match": page.headers["ETag"]}).status_code == 304
    [token] = set(re.findall(r'name="csrf_token" value="([^"]+)"', page.text))
    answer = client.post("/language", data={"language": "hi", "next": "/services", "csrf_token": token})
    assert answer.status_code == 302
    assert client.post("/language", data={"language": "hi", "csrf_token": "x" + token}).status_code == 400


def test_in_another_language_it_is_another_page(app):
    client = app.test_client()
    known = client.get("/services", headers={"Accept-Language": "en"}).headers["ETag"]
    page = client.get("/services", headers={"Accept-Language": "hi", "If-None-Match": known})
    assert (page.status_code, 'lang="hi"' in page.text) == (200, True)


def test_of_a_signed_in_person_nothing_is_kept(as_, customer, plumber):
    for path in [*PUBLIC, f"/professionals/{plumber.id}"]:
        page = as_(customer).get(path)
        assert page.headers["Cache-Control"] == "no-store"
        assert "ETag" not in page.headers


def test_who_is_remembered_is_signed_in_here_too(app, as_, customer):
    client = app.test_client()
    log_in = {"email": customer.email, "password": factories.PASSWORD, "remember": "y"}
    assert client.post("/login", data=log_in).status_code == 302
    client.delete_cookie("session")
    page = client.get("/")
    assert customer.name in page.text
    assert (page.headers["Cache-Control"], "ETag" in page.headers) == ("no-store", False)


@pytest.mark.parametrize("path", ["/login", "/reset", "/reset/some.token", "/unsubscribe/some.token"])
def test_no_page_about_passwords_or_with_a_secret_in_its_address_is_kept(client, path):
    page = client.get(path)
    assert ("no-store" in page.headers["Cache-Control"], "ETag" in page.headers) == (True, False)


def test_what_is_said_once_is_not_in_the_page_that_is_asked_for_again(app):
    client = app.test_client()
    quiet = client.get("/services")
    with client.session_transaction() as session:
        session["_flashes"] = [("success", "For you alone.")]
    told = client.get("/services", headers={"If-None-Match": quiet.headers["ETag"]})
    assert (told.status_code, "For you alone." in told.text) == (200, True)
    again = client.get("/services", headers={"If-None-Match": told.headers["ETag"]})
    assert (again.status_code, "For you alone." in again.text) == (200, False)


def test_refusals_are_not_kept(client):
    page = client.get("/professionals/999999")
    assert page.status_code == 404
    assert "ETag" not in page.headers


@pytest.mark.parametrize("pin, kept", [(factories.CITY_PIN, "private, max-age=3600"), ("199999", "private, no-cache")])
def test_a_browser_keeps_the_place_of_a_pin_code(client, pin, kept):
    assert client.get(f"/pincodes/{pin}").headers["Cache-Control"] == kept


def test_a_browser_keeps_the_photo_of_a_professional(app, plumber):
    plumber.photo_id = files.store(files.check(FileKind.PHOTO, io.BytesIO(picture())), plumber).id
    db.session.commit()
    client, path = app.test_client(), f"/photos/{plumber.photo_id}"
    photo = client.get(path)
    photo.close()
    assert photo.headers["Cache-Control"] == "public, max-age=3600"
    assert "Set-Cookie" not in photo.headers
    again = client.get(path, headers={"If-None-Match": photo.headers["ETag"]})
    again.close()
    assert again.status_code == 304
