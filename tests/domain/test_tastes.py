"""What a household's own bookings say: its rhythm, what goes with what it had, and whom it met."""

from datetime import date, timedelta

from domain import tastes
from domain.tastes import Visit
from models_taste import Why

JANUARY = date(2026, 1, 5)
NOBODY = tastes.Likeness({})


def visits(service, days, professional=1, rating=None):
    return [Visit(service, professional, JANUARY + timedelta(days=n), rating) for n in days]


def only(visited, likeness=NOBODY, people=False):
    (found,) = [one for one in tastes.ideas(visited, likeness) if bool(one.professional_id) == people]
    return found


def test_a_year_has_four_seasons_and_december_begins_the_next_winter():
    months = [tastes.season_of(date(2026, month, 1)) % tastes.SEASONS for month in range(1, 13)]
    assert months == [0, 0, 1, 1, 1, 2, 2, 2, 2, 3, 3, 0]
    assert tastes.season_of(date(2026, 12, 31)) == tastes.season_of(date(2027, 2, 1))
    assert tastes.season_of(date(2027, 3, 1)) == tastes.season_of(date(2026, 3, 1)) + tastes.SEASONS


def test_three_visits_at_even_distances_are_a_rhythm():
    idea = only(visits(7, [0, 90, 182]))
    assert (idea.why, idea.number) == (Why.RHYTHM, 91)
    assert idea.since < JANUARY + timedelta(days=182 + 91) < idea.until


def test_uneven_or_too_close_visits_are_none_but_come_back():
    for days in ([0, 30, 182], [0, 2, 4], [0, 80]):
        idea = only(visits(7, days))
        assert (idea.why, idea.number, idea.since) == (Why.AGAIN, len(days), None)


def test_two_visits_on_a_day_count_once():
    assert only(visits(7, [0, 0])) == only(visits(7, [0]))
    assert only(visits(7, [0])).number == 1
    assert only(visits(7, [0])).score < only(visits(7, [0, 20])).score < only(visits(7, [0, 90, 180])).score


def test_what_similar_households_had_too_comes_with_its_reason():
    # Of fifty households with 1, forty had 2 and three had 3; 4 is had by others.
    pairs = {(1, 1): 50, (2, 2): 60, (3, 3): 40, (4, 4): 300}
    pairs |= {(1, 2): 40, (2, 1): 40, (1, 3): 3, (3, 1): 3}
    found = tastes.ideas(visits(1, [0]), tastes.Likeness(pairs))
    beside = [one for one in found if one.why is Why.BESIDE]
    assert [one.service_id for one in beside] == [2, 3]
    assert (beside[0].about_id, beside[0].number) == (1, 40)


def test_what_nobody_knows_yet_is_no_obstacle():
    assert only(visits(99, [0]), tastes.Likeness({(1, 1): 3})).service_id == 99


def test_people_who_were_liked_are_met_again_and_others_avoided():
    assert only(visits(1, [0], rating=5), people=True).why is Why.STARS
    assert only(visits(1, [0, 9]), people=True).why is Why.AGAIN
    assert only(visits(1, [0], rating=5) + visits(1, [0], rating=2), people=True).why is Why.AVOID
    assert [one for one in tastes.ideas(visits(1, [0]), NOBODY) if one.professional_id] == []


def test_a_small_place_leans_on_the_whole_site():
    site = tastes.shares({1: (900, 0), 2: (100, 0)}, {})
    assert site[1] > 0.8
    small = tastes.shares({2: (2, 2)}, site)
    big = tastes.shares({2: (2000, 2000)}, site)
    assert small[1] > small[2]
    assert big[2] > big[1]
