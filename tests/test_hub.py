"""What is told to whom, in which order, and what somebody hears who comes back."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import hub as hubs
from hub import EVERYTHING, MOST_KEPT, MOST_NAMES, MOST_OF_ONE, Full, Hub, Watch

NEVER = 0.0
SOON = 5.0


@pytest.fixture
def hub():
    return Hub(most=100)


def listen(hub, *channels, listener="me", after=..., known=None):
    after = hub.last if after is ... else after
    return hub.open(listener, channels, after, hub.last if known is None else known)


def names(stream):
    return stream.take(NEVER)[1]


def test_news_come_in_their_order_and_only_on_channels_that_are_heard(hub):
    stream = listen(hub, "mine", "house")
    hub.publish([("mine", "b"), ("other", "x"), ("house", "a")])
    hub.publish([("mine", "c")])
    assert names(stream) == ["b", "a", "c"]
    assert names(stream) == []


def test_what_is_told_again_before_it_was_taken_is_told_once(hub):
    stream = listen(hub, "mine", "house")
    for _ in range(3):
        hub.publish([("mine", "booking-1"), ("house", "booking-1"), ("mine", "bell")])
    assert names(stream) == ["booking-1", "bell"]


def test_stamps_only_grow_though_the_clock_stands(hub):
    stream, stamps = listen(hub, "mine"), []
    for _ in range(5):
        hub.publish([("mine", "a")])
        stamps.append(stream.take(NEVER)[0])
    assert stamps == sorted(set(stamps))
    assert stamps[-1] == hub.last


def test_who_comes_back_hears_what_came_after_their_stamp(hub):
    stream = listen(hub, "mine")
    hub.publish([("mine", "seen")])
    stamp, _ = stream.take(NEVER)
    hub.close(stream)
    hub.publish([("mine", "first"), ("other", "x")])
    hub.publish([("mine", "second"), ("mine", "first")])
    again = listen(hub, "mine", after=stamp)
    assert again.take(NEVER) == (hub.last, ["first", "second"])


def test_who_missed_nothing_is_told_nothing(hub):
    hub.publish([("mine", "a")])
    assert names(listen(hub, "mine")) == []


def test_who_does_not_say_what_they_know_looks_at_everything(hub):
    assert names(listen(hub, "mine", after=None)) == [EVERYTHING]


def test_a_stamp_of_before_this_process_means_everything(hub):
    assert names(listen(hub, "mine", after=hub.last - 1)) == [EVERYTHING]


def test_a_stamp_of_the_future_means_everything(hub):
    assert names(listen(hub, "mine", after=hub.last + 60_000)) == [EVERYTHING]


def test_a_stamp_from_before_what_is_kept_means_everything(hub):
    before = hub.last
    hub.publish([("mine", "lost")])
    after_the_first = hub.last
    hub.publish([("other", f"x{n}") for n in range(MOST_KEPT)])
    assert names(listen(hub, "mine", after=before)) == [EVERYTHING]
    assert names(listen(hub, "mine", after=after_the_first)) == []


def test_who_missed_very_much_looks_at_everything(hub):
    before = hub.last
    stream = listen(hub, "mine")
    for n in range(MOST_NAMES):
        hub.publish([("mine", f"booking-{n}")])
    assert len(names(stream)) == MOST_NAMES
    hub.publish([("mine", f"booking-{n}") for n in range(MOST_NAMES + 1)])
    assert names(stream) == [EVERYTHING]
    assert names(listen(hub, "mine", after=before)) == [EVERYTHING]


def test_a_reader_who_never_takes_holds_few_names_and_keeps_nobody_waiting(hub):
    slow, quick = listen(hub, "house"), listen(hub, "house")
    for n in range(10_000):
        hub.publish([("house", f"booking-{n}")])
        names(quick)
    assert len(names(slow)) <= MOST_NAMES


def test_an_end_ends_who_hears_the_channel_and_nobody_else(hub):
    mine, window, other = listen(hub, "mine"), listen(hub, "mine", "house"), listen(hub, "house")
    hub.end(["mine"])
    assert (mine.ended, window.ended, other.ended) == (True, True, False)
    assert mine.take(SOON)[1] == []


def test_who_is_cut_off_while_they_are_let_in_is_at_the_end_at_once(hub):
    known = hub.last
    hub.end(["mine"])
    assert listen(hub, "mine", known=known).ended
    assert not listen(hub, "other", known=known).ended
    assert not listen(hub, "mine").ended


def test_an_end_is_no_name_that_somebody_missed(hub):
    before = hub.last
    hub.end(["mine"])
    assert names(listen(hub, "mine", after=before)) == []


def test_when_something_may_have_been_lost_everybody_comes_back_and_looks_at_everything(hub):
    stream = listen(hub, "mine")
    hub.publish([("mine", "a")])
    stamp, _ = stream.take(NEVER)
    away = listen(hub, "mine")
    hub.close(away)
    hub.forget()
    assert stream.ended
    assert names(listen(hub, "mine", after=stamp)) == [EVERYTHING]
    assert names(listen(hub, "mine")) == []


def test_all_are_ended_when_the_process_leaves(hub):
    streams = [listen(hub, f"person:{n}", listener=str(n)) for n in range(5)]
    hub.end_all()
    assert all(stream.ended for stream in streams)


def test_nobody_is_let_in_beyond_the_most(hub):
    hub.most = 2
    first, _second = listen(hub, "a", listener="a"), listen(hub, "b", listener="b")
    with pytest.raises(Full):
        listen(hub, "c", listener="c")
    hub.close(first)
    listen(hub, "c", listener="c")


def test_one_listener_has_so_many_and_leaves_room_for_the_others(hub):
    mine = [listen(hub, "x") for _ in range(MOST_OF_ONE)]
    with pytest.raises(Full):
        listen(hub, "x")
    assert len(hub) == MOST_OF_ONE
    listen(hub, "x", listener="another")
    hub.close(mine[0])
    listen(hub, "x")


def test_closed_is_closed_however_often(hub):
    stream, other = listen(hub, "mine"), listen(hub, "mine")
    hub.close(stream)
    hub.close(stream)
    assert len(hub) == 1
    hub.publish([("mine", "a")])
    assert names(stream) == []
    assert names(other) == ["a"]
    hub.close(other)
    assert (len(hub), hub._hearing) == (0, {})


def test_taking_waits_for_news_and_no_longer_than_said(hub):
    stream = listen(hub, "mine")
    threading.Timer(0.1, hub.publish, [[("mine", "a")]]).start()
    began = time.perf_counter()
    assert stream.take(SOON)[1] == ["a"]
    assert time.perf_counter() - began < SOON / 2
    assert stream.take(0.05) == (hub.last, [])


def test_many_threads_tell_and_none_of_it_is_lost_or_comes_before_its_stamp(hub, monkeypatch):
    monkeypatch.setattr(hubs, "MOST_NAMES", 10_000)
    streams = [listen(hub, "house", listener=str(n)) for n in range(8)]
    told = [[f"{teller}-{n}" for n in range(200)] for teller in range(4)]
    done = threading.Event()

    def tell(own):
        for name in own:
            hub.publish([("house", name)])

    def hear(stream):
        """As a page: now and then its line is cut, and it comes back with the stamp it has."""
        heard, stamp, turn = [], hub._forgotten, 0
        while not done.is_set() or stream._names:
            found, some = stream.take(0.01)
            if some:
                stamp, turn = found, turn + 1
                heard += some
            if turn % 7 == 6:
                hub.close(stream)
                stream, turn = listen(hub, "house", listener="x", after=stamp), turn + 1
        return heard

    with ThreadPoolExecutor(12) as pool:
        hearing = [pool.submit(hear, stream) for stream in streams]
        for telling in [pool.submit(tell, own) for own in told]:
            telling.result()
        done.set()
        for one in hearing:
            heard = one.result()
            for own in told:
                assert [name for name in heard if name in set(own)] == own


def test_a_client_that_is_gone_ends_its_stream_at_once(hub):
    watch, stream = Watch(), listen(hub, "mine")
    watch.start()
    server, client = socket.socketpair()
    watch.add(server, stream)
    assert not stream.ended
    client.close()
    began = time.perf_counter()
    stream.take(SOON)
    assert stream.ended
    assert time.perf_counter() - began < SOON / 2
    watch.remove(server)
    server.close()


def test_a_client_whose_end_was_noticed_and_whose_socket_is_closed_is_let_go_without_a_fault(hub):
    watch, stream = Watch(), listen(hub, "mine")
    watch.start()
    server, client = socket.socketpair()
    watch.add(server, stream)
    client.close()
    stream.take(SOON)
    server.close()
    watch.remove(server)


def test_a_client_whose_stream_is_over_is_watched_no_more(hub):
    watch, stream = Watch(), listen(hub, "mine")
    watch.start()
    server, client = socket.socketpair()
    watch.add(server, stream)
    watch.remove(server)
    watch.remove(server)
    client.close()
    stream.take(0.1)
    assert not stream.ended
    server.close()


def test_clocks_that_go_back_lose_nothing(hub, monkeypatch):
    stream = listen(hub, "mine")
    stamp = hub.last
    monkeypatch.setattr(hubs, "_now", lambda: 0)
    hub.publish([("mine", "a")])
    assert names(stream) == ["a"]
    assert names(listen(hub, "mine", after=stamp)) == ["a"]
