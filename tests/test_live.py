"""Who hears what: the stream of a page, the channels that it is given, and what cuts it off."""

import pytest
from flask_security import recoverable

import hub as hubs
import live
from domain import news, users
from extensions import begin_write, db
from tests import factories
from tests.test_access import PEOPLE, make_cast


class Line:
    """An open page, whose stream is read as far as there is something to hear."""

    def __init__(self, client, query="", method="GET", **headers):
        client.audit = False
        self.response = client.open(f"/live{query}", method=method, headers=headers)
        self.status = self.response.status_code
        self._frames = iter(self.response.response)

    def frames(self):
        """What came since the last time."""
        found = []
        for frame in self._frames:
            if frame.decode() == live.PING:
                break
            found.append(frame.decode())
        return found

    def hears(self):
        """The names of what to look at."""
        data = [frame.split("data: ")[1] for frame in self.frames() if "data: " in frame]
        return [name for text in data for name in text.split()]

    def is_over(self):
        return next(self._frames, None) is None

    def close(self):
        self.response.close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(live, "SECONDS_BETWEEN_PINGS", 0)
    # There is one clock here, also where PostgreSQL tells the other processes.
    monkeypatch.setattr(live, "SLACK_MILLISECONDS", 0)


@pytest.fixture
def hub(app):
    hub = app.extensions["live"].hub
    assert len(hub) == 0
    return hub


@pytest.fixture
def line(app, as_, hub):
    """line(person, query, **headers) is a stream of theirs that has heard everything so far."""
    lines = []

    def opened(person=None, query="", client=None, **headers):
        client = client or (as_(person) if person else app.test_client())
        lines.append(Line(client, query or f"?after={hub.last}", **headers))
        return lines[-1]

    yield opened
    for one in lines:
        one.close()
    assert len(hub) == 0


def tell(*people, names=("bell",)):
    news.tell([person.id for person in people], *names)
    db.session.commit()


# -- The stream -------------------------------------------------------------------------------


def test_a_stream_says_when_to_come_back_and_then_what_to_look_at(line, hub, customer):
    mine = line(customer)
    assert mine.response.mimetype == "text/event-stream"
    assert mine.response.headers["Cache-Control"] == "no-store"
    assert mine.response.headers["X-Accel-Buffering"] == "no"
    assert "Content-Encoding" not in mine.response.headers
    tell(customer, names=("booking-7", "bookings"))
    assert mine.frames() == ["retry: 1000\n\n", f"id: {hub.last}\ndata: booking-7 bookings\n\n"]
    assert mine.frames() == []


def test_who_comes_back_hears_what_they_missed_in_its_order(line, hub, customer):
    mine = line(customer)
    stamp = hub.last
    mine.close()
    tell(customer, names=("b",))
    tell(customer, names=("a", "b"))
    for again in (line(customer, f"?after={stamp}"), line(customer, **{"Last-Event-ID": str(stamp)})):
        assert again.hears() == ["b", "a"]
        assert again.hears() == []


def test_the_stamp_of_the_last_event_counts_more_than_that_of_the_page(line, hub, customer):
    stamp = hub.last
    tell(customer)
    assert line(customer, f"?after={stamp}", **{"Last-Event-ID": str(hub.last)}).hears() == []


@pytest.mark.parametrize("after", ["", "0", "x", "-1", "1e9", "9" * 15, "9" * 400, "١٢٣", "%00", "1&after=2"])
def test_who_gives_no_stamp_that_can_be_looks_at_everything(line, customer, after):
    assert line(customer, f"?after={after}").hears() == [hubs.EVERYTHING]
    assert line(customer, f"?after={after}", **{"Last-Event-ID": "x"}).hears() == [hubs.EVERYTHING]


def test_a_page_carries_the_stamp_of_before_it_was_read(line, hub, as_, customer):
    page = as_(customer).get("/bookings").text
    assert f'data-known="{hub.last}"' in page
    tell(customer)
    assert f'data-known="{hub.last}"' not in page


def test_strangers_have_a_stream_only_for_slots_that_they_see(line, professional, as_, client):
    assert line(query="?after=1").status == 204
    assert line(query="?slots=").status == 204
    assert line(query=f"?slots={professional.id}").status == 200


def test_a_head_is_told_about_the_stream_and_holds_no_place(hub, as_, customer):
    client = as_(customer)
    client.audit = False
    with client.head("/live") as response:
        assert (response.status_code, response.data) == (200, b"")
    assert len(hub) == 0


def test_a_stream_cannot_be_posted_to(as_, customer, hub):
    assert as_(customer).post("/live").status_code == 405
    assert len(hub) == 0


def test_when_all_places_are_taken_one_is_told_when_to_come_again(line, hub, customer, other_customer, monkeypatch):
    monkeypatch.setattr(hub, "most", 1)
    first = line(customer)
    refused = line(other_customer)
    assert (refused.status, refused.response.headers["Retry-After"]) == (503, "30")
    first.close()
    assert line(other_customer).status == 200


def test_one_person_does_not_take_all_places(line, hub, customer, other_customer, monkeypatch):
    monkeypatch.setattr(hubs, "MOST_OF_ONE", 2)
    assert [line(customer).status for _ in range(3)] == [200, 200, 503]
    assert line(other_customer).status == 200


def test_a_stream_ends_after_a_while_so_that_its_page_shows_who_looks(line, customer, monkeypatch):
    monkeypatch.setattr(live, "SECONDS_OF_A_STREAM", 0)
    mine = line(customer)
    assert mine.frames() == ["retry: 1000\n\n"]
    assert mine.is_over()


def test_an_open_stream_holds_no_connection_to_the_database(line, customer, app):
    db.session.remove()
    streams = [line(customer) for _ in range(5)]
    db.session.remove()
    assert db.engine.pool.checkedout() == 0
    assert all(one.frames() for one in streams)
    assert db.engine.pool.checkedout() == 0


# -- Who hears what ---------------------------------------------------------------------------

TRICKS = (
    "",
    "?slots=admins",
    "?slots=admins,person:{0}",
    "?slots=person:{0}",
    "?slots=%20{0}",
    "?channels=admins&channel=person:{0}&user_id={0}&role=admin",
    "?slots[]=admins&person={0}",
    "?slots=-1,1.0,{0}%0A",
)


@pytest.mark.parametrize("kind", PEOPLE)
def test_everybody_hears_their_own_channel_admins_the_house_and_nobody_anything_else(
    line, hub, kind, monkeypatch
):
    monkeypatch.setattr(hubs, "MOST_OF_ONE", 100)
    cast = make_cast()
    person, pro = cast[kind], cast["pro"]
    allowed = {f"for-{kind}"} if person and person.active else set()
    allowed |= {"for-admins"} if kind == "admin" else set()
    slots = news.slots(pro.id)
    shown = f"?slots={pro.id}"
    queries = {trick.format(other.id) for trick in TRICKS for other in cast.values() if other}
    streams = {
        query: line(person, f"{query}{'&' if query else '?'}after={hub.last}") for query in {shown, *queries}
    }
    for name, one in cast.items():
        if one:
            news.tell([one.id], f"for-{name}")
    news.tell_admins("for-admins")
    news.of_slots(pro.id)
    db.session.commit()
    for query, stream in streams.items():
        may = allowed | ({slots} if query == shown else set())
        assert stream.status == (200 if may else 204), query
        assert set(stream.hears()) == may, query


def test_slots_are_heard_of_a_few_professionals_only(line, hub):
    people = [factories.professional() for _ in range(live.MOST_PROFESSIONALS + 1)]
    ids = [one.id for one in people]
    stream = line(query=f"?after={hub.last}&slots={','.join(map(str, ids))}")
    for one in ids:
        news.of_slots(one)
    db.session.commit()
    assert stream.hears() == [news.slots(one) for one in ids[: live.MOST_PROFESSIONALS]]


def test_a_slot_that_nobody_can_have_is_no_fault(line):
    assert line(query="?slots=999999999999").status == 200
    assert line(query=f"?slots={'9' * 500}").status == 204


# -- After the commit, and only then ----------------------------------------------------------


def test_news_are_told_after_the_commit(line, customer):
    mine = line(customer)
    news.tell([customer.id], "bell")
    db.session.flush()
    assert mine.hears() == []
    db.session.commit()
    assert mine.hears() == ["bell"]


def test_what_was_rolled_back_is_not_told(line, customer):
    mine = line(customer)
    begin_write()
    news.tell([customer.id], "bell")
    db.session.rollback()
    db.session.commit()
    assert mine.hears() == []


def test_the_end_of_a_savepoint_tells_nothing_yet(line, customer):
    mine = line(customer)
    begin_write()
    with db.session.begin_nested():
        news.tell([customer.id], "bell")
    assert mine.hears() == []
    db.session.commit()
    assert mine.hears() == ["bell"]


def test_a_savepoint_that_is_undone_takes_nothing_away(line, customer):
    mine = line(customer)
    begin_write()
    news.tell([customer.id], "bell")
    db.session.begin_nested().rollback()
    db.session.commit()
    assert mine.hears() == ["bell"]


def test_a_refused_request_tells_nothing(line, as_, customer, professional):
    booking = factories.booking(customer, professional)
    mine, theirs = line(customer), line(professional)
    client = as_(professional)
    client.audit = False
    assert client.post(f"/professional/jobs/{booking.id}/complete").status_code == 409
    assert mine.hears() == theirs.hears() == []


def test_a_move_of_a_booking_is_told_to_its_people_and_the_admins_only(
    line, as_, hub, customer, professional, admin, other_customer, other_professional
):
    booking = factories.booking(customer, professional)
    stranger = line(query=f"?after={hub.last}&slots={professional.id}")
    streams = {one.email: line(one) for one in (customer, professional, admin, other_customer, other_professional)}
    assert as_(professional).post(f"/professional/jobs/{booking.id}/accept").status_code == 302
    heard = {email: set(stream.hears()) for email, stream in streams.items()}
    own = {f"booking-{booking.id}", "bookings"}
    assert heard[customer.email] == {*own, "bell"}
    assert heard[professional.email] >= own
    assert heard[admin.email] == {*own, "counters"}
    assert heard[other_customer.email] == heard[other_professional.email] == set()
    assert set(stranger.hears()) <= {news.slots(professional.id)}


# -- Cut off at once --------------------------------------------------------------------------


def block(app, client, person, admin):
    users.block(person, by=admin, reason="Was rude")
    db.session.commit()


def anonymise(app, client, person, admin):
    users.anonymise(person, by=admin, reason="Asked for it")
    db.session.commit()


def log_out(app, client, person, admin):
    assert client.post("/logout").status_code == 302


def log_out_elsewhere(app, client, person, admin):
    users.end_sessions(person, by=person)
    db.session.commit()


def change_password(app, client, person, admin):
    other = app.test_client()
    assert other.post("/login", data={"email": person.email, "password": factories.PASSWORD}).status_code == 302
    sent = {
        "password": factories.PASSWORD,
        "new_password": "an entirely new kettle",
        "new_password_confirm": "an entirely new kettle",
    }
    assert other.post("/change-password", data=sent).status_code == 302


def reset_password(app, client, person, admin):
    with app.test_request_context():
        token = recoverable.generate_reset_password_token(person)
    sent = {"password": "an entirely new kettle", "password_confirm": "an entirely new kettle"}
    assert app.test_client().post(f"/reset/{token}", data=sent).status_code == 302


@pytest.mark.parametrize("cut", [block, anonymise, log_out, log_out_elsewhere, change_password, reset_password])
def test_who_may_look_no_more_is_cut_off_at_once_and_not_let_in_again(
    app, as_, line, hub, customer, other_customer, admin, cut
):
    client = as_(customer)
    mine, theirs = line(client=client), line(other_customer)
    mine.frames(), theirs.frames()
    # As the browser sends it when it comes back, whatever becomes of the cookie in between.
    copied = as_(customer)
    cut(app, client, customer, admin)
    news.tell([customer.id], "afterwards")
    db.session.commit()
    assert "afterwards" not in mine.hears()
    assert mine.is_over()
    assert not theirs.is_over()
    assert line(client=copied).status == 204


def test_who_is_blocked_while_they_are_let_in_does_not_stay(app, line, hub, customer, admin, monkeypatch):
    channels = live._channels

    def meanwhile():
        found = channels()
        news.end(customer.id)
        db.session.commit()
        return found

    monkeypatch.setattr(live, "_channels", meanwhile)
    mine = line(customer)
    assert mine.frames() == ["retry: 1000\n\n"]
    assert mine.is_over()


def test_when_the_process_leaves_every_stream_ends(app, line, customer, admin):
    streams = [line(customer), line(admin)]
    app.extensions["live"].stop()
    for one in streams:
        one.frames()
        assert one.is_over()
