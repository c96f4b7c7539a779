"""What readers feel about a guide, and what they say."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from domain import comments, news, reactions, reports
from domain.errors import Conflict, Invalid, NotAllowed, NotFound
from extensions import db
from models import AuditEntry
from models_guides import Comment, CommentState, Reaction
from tests import factories

WAITING, SHOWN, REPORTED, HIDDEN = CommentState


@pytest.fixture
def guide(app):
    return factories.guide()


def numbers(guide, reader=None):
    return {one.kind: (one.number, one.mine) for one in reactions.of(guide, reader) if one.number}


# -- Reactions --------------------------------------------------------------------------------


def test_each_kind_is_felt_once_by_each_person(guide, customer, professional):
    for _ in range(3):
        reactions.put(guide, customer, "happy")
        reactions.put(guide, customer, "confused")
    reactions.put(guide, professional, "happy")
    assert numbers(guide, customer) == {"happy": (2, True), "confused": (1, True)}
    assert numbers(guide) == {"happy": (2, False), "confused": (1, False)}


def test_a_reaction_is_taken_back(guide, customer):
    reactions.put(guide, customer, "happy")
    for _ in range(2):
        reactions.take(guide, customer, "happy")
    assert numbers(guide, customer) == {}


def test_readers_hear_of_what_changed_and_of_nothing_else(guide, customer):
    db.session.commit()
    reactions.put(guide, customer, "happy")
    heard = (news.guide(guide.id), news.reactions(guide.id))
    assert list(db.session().info[news.MARK]) == [heard]
    db.session.commit()
    reactions.put(guide, customer, "happy")
    assert news.MARK not in db.session().info


def test_the_setting_says_which_there_are(guide, customer, set_up):
    assert [one.kind for one in reactions.of(guide, None)] == [
        *("happy", "surprised", "confused", "grateful", "amused", "worried")
    ]
    reactions.put(guide, customer, "worried")
    set_up(guide_reactions=("happy", "surprised", "confused", "relieved"))
    assert numbers(guide) == {}
    for verb in (reactions.put, reactions.take):
        with pytest.raises(NotFound):
            verb(guide, customer, "worried")


def test_the_numbers_are_those_of_one_guide(guide, customer):
    reactions.put(factories.guide(), customer, "happy")
    assert numbers(guide) == {}
    assert db.session.scalar(select(func.count()).select_from(Reaction)) == 1


# -- Comments ---------------------------------------------------------------------------------


def texts(guide, reader=None):
    return [one.text for one in comments.page(guide, reader)]


def test_a_moderated_comment_is_seen_by_its_writer_until_an_admin_shows_it(guide, customer, other_customer, admin):
    said = comments.write(guide, customer, " Thank you. ")
    assert said.state is WAITING
    assert (texts(guide, customer), texts(guide, other_customer), texts(guide)) == (["Thank you."], [], [])
    assert reports.to_decide()[-1] == 1
    comments.show(said, admin)
    assert texts(guide) == ["Thank you."]
    assert reports.to_decide()[-1] == 0
    assert db.session.scalar(select(AuditEntry.action)) == "show_comment"


@pytest.mark.parametrize("setting, state", [("open", SHOWN), ("moderated", WAITING)])
def test_the_setting_says_whether_comments_wait(guide, customer, set_up, setting, state):
    set_up(guide_comments=setting)
    assert comments.write(guide, customer, "Thank you.").state is state


def test_what_an_admin_says_need_not_wait(guide, admin):
    assert comments.write(guide, admin, "You are welcome.").state is SHOWN


def test_comments_may_be_off(guide, customer, set_up):
    set_up(guide_comments="off")
    with pytest.raises(NotAllowed):
        comments.write(guide, customer, "Thank you.")


@pytest.mark.parametrize("text", ["", "  ", "x" * 2001])
def test_nothing_and_too_much_are_refused(guide, customer, text):
    with pytest.raises(Invalid):
        comments.write(guide, customer, text)


def test_the_same_form_sent_twice_says_it_once(guide, customer):
    first, second = (comments.write(guide, customer, "Thank you.", "key") for _ in range(2))
    assert first.id == second.id
    assert comments.write(guide, customer, "And more.", "key").id != first.id


def test_a_reported_comment_is_shown_until_an_admin_decides(guide, customer, professional, admin, set_up):
    set_up(guide_comments="open")
    said = comments.write(guide, customer, "Buy my pills.")
    comments.report(said, professional, "Spam")
    assert (said.state, texts(guide)) == (REPORTED, ["Buy my pills."])
    assert [one.id for one in comments.to_decide()] == [said.id]
    with pytest.raises(Conflict):
        comments.report(said, admin, "Spam")
    comments.hide(said, admin, "Advertising")
    assert (said.state, texts(guide), texts(guide, customer)) == (HIDDEN, [], [])
    assert [one.id for one in comments.to_decide(decided=True)] == [said.id]


def test_what_an_admin_left_is_not_reported_again(guide, customer, professional, admin):
    said = comments.write(guide, customer, "I disagree.")
    comments.show(said, admin)
    with pytest.raises(Conflict):
        comments.report(said, professional, "So do I")


def test_nobody_reports_themselves_or_without_words(guide, customer, professional, set_up):
    set_up(guide_comments="open")
    said = comments.write(guide, customer, "Hello")
    with pytest.raises(NotAllowed):
        comments.report(said, customer, "Rude")
    with pytest.raises(Invalid):
        comments.report(said, professional, " ")


def test_only_its_writer_deletes_a_comment(guide, customer, professional):
    said = comments.write(guide, customer, "Hello")
    with pytest.raises(NotAllowed):
        comments.remove(said, professional)
    comments.remove(said, customer)
    assert db.session.scalar(select(func.count()).select_from(Comment)) == 0


def test_only_admins_decide(guide, customer, professional):
    said = comments.write(guide, customer, "Hello")
    for verb in (lambda: comments.show(said, professional), lambda: comments.hide(said, professional, "No")):
        with pytest.raises(NotAllowed):
            verb()


def test_of_two_admins_one_is_too_late(guide, customer, admin):
    said = comments.write(guide, customer, "Hello")
    comments.show(said, admin)
    with pytest.raises(Conflict):
        comments.show(said, admin)


def test_a_comment_is_found_only_below_its_guide(guide, customer, professional, set_up):
    set_up(guide_comments="open")
    said = comments.write(guide, customer, "Hello")
    assert comments.get(guide, said.id, professional) is said
    with pytest.raises(NotFound):
        comments.get(factories.guide(), said.id, professional)
    said.state = HIDDEN
    with pytest.raises(NotFound):
        comments.get(guide, said.id, customer)


def test_pages_of_comments_are_complete(guide, customer, set_up, frozen):
    set_up(guide_comments="open")
    for number in range(25):
        comments.write(guide, customer, f"Comment {number}")
        frozen.shift(timedelta(seconds=1))
    first = comments.page(guide, None)
    rest = comments.page(guide, None, first.next_cursor)
    assert [one.text for one in (*first, *rest)] == [f"Comment {n}" for n in reversed(range(25))]
