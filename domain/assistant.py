"""What the help assistant answers: an article, something of the catalogue, the asker's own bookings, a step of a
booking, a question back, or that it does not know. It says nothing that the site does not."""

from dataclasses import dataclass, replace

from sqlalchemy.orm import joinedload

from domain import bookings, guided, help_articles, knowledge, payments
from domain.guided import Plan, Step
from domain.help_articles import Article
from domain.knowledge import NONE, Knowledge, Passage
from domain.wordings import Wording
from extensions import db
from models import Booking, Professional, Role, Service, Status, User

# Below the first nothing is answered; when two things are as likely as the second it is asked back.
LEAST, CLEAR = 0.28, 0.01
# One word alone may mean many things: "book" one's bookings, how to book, or to book now.
CLEAR_IN_A_WORD = 0.2
MOST_BOOKINGS, MOST_LOOKED_AT = 3, 20
# What is to be paid, and not only will be.
_FINISHED = (Status.COMPLETED, Status.CLOSED, Status.DISPUTED, Status.CANCELLED, Status.NO_SHOW)


@dataclass(frozen=True)
class Answer:
    """`kind` says which of the others there are; `name` is what the question was understood to be about."""

    kind: str
    name: str = ""
    hindi: bool = False
    article: Article | None = None
    services: tuple = ()
    bookings: tuple[Booking, ...] = ()
    due: int = 0
    passage: Passage | None = None
    likely: tuple[str, ...] = ()
    step: Step | None = None


def understood(known: Knowledge, wording: Wording) -> tuple[str, ...]:
    """What a question may be about: one name, or several to choose from, or none."""
    guesses = known.guesses(wording)
    if not guesses or guesses[0].name == NONE or guesses[0].score < LEAST:
        return ()
    near = guesses[0].score - (CLEAR if len(wording.words) > 1 else CLEAR_IN_A_WORD)
    return tuple(one.name for one in guesses if one.name != NONE and one.score >= near)


def ask(text: str, by: User | None, plan: Plan | None = None) -> Answer:
    """The answer to a question, or to what was asked back for a plan. Ask before anything else is read."""
    known = knowledge.current()
    wording = known.read(text)
    further = guided.filled(plan, known, wording, text) if plan else None
    if further != plan:
        among = known.services_in(wording)
        return Answer("guide", "book", wording.hindi, step=guided.next_step(further, known, by, among))
    names = understood(known, wording)
    if len(names) == 1:
        return _about(names[0], known, wording, text, by)
    if names:
        return Answer("likely", hindi=wording.hindi, likely=names)
    if plan and plan.service and not plan.near:
        # Whoever was asked where may name a place that no list has.
        return Answer("guide", "book", wording.hindi, step=guided.next_step(replace(plan, near=text), known, by))
    if passage := known.passage(wording):
        return Answer("passage", hindi=wording.hindi, passage=passage)
    return Answer("nothing", hindi=wording.hindi)


def about(name: str, text: str, by: User | None, hindi: bool) -> Answer | None:
    """The answer to what was chosen of several; None for what there is not."""
    if name not in knowledge.phrases() or name == NONE:
        return None
    known = knowledge.current()
    wording = known.read(text)
    return _about(name, known, Wording(wording.words, wording.meant, hindi), text, by)


def go_on(plan: Plan, by: User | None, hindi: bool) -> Answer:
    """The next step of a plan."""
    return Answer("guide", "book", hindi, step=guided.next_step(plan, knowledge.current(), by))


def _about(name, known, wording, text, by):
    if name in help_articles.articles():
        return Answer("article", name, wording.hindi, article=help_articles.articles()[name])
    if name in ("price", "services"):
        services = known.services_in(wording)
        return Answer("prices" if services else "services", name, wording.hindi, services=tuple(services))
    if name in ("book", "slots"):
        services = known.services_in(wording)
        plan = guided.filled(Plan(), known, wording, text)
        return Answer("guide", name, wording.hindi, step=guided.next_step(plan, known, by, services))
    if name.startswith("my-"):
        return _own(name, known, wording, by)
    return Answer(name, name, wording.hindi)


# -- The asker's own --------------------------------------------------------------------------


def _own(name, known, wording, by):
    if by is None:
        return Answer("log_in", name, wording.hindi)
    if name == "my-due":
        owed = _owed(by)
        return Answer("due", name, wording.hindi, bookings=owed, due=sum(map(payments.owed, owed)))
    ahead = _mine(by, bookings.is_live(), Booking.starts_at.asc())
    asked = {service.category for service in known.services_in(wording)}
    of_these = [one for one in ahead if not asked or one.service.category.name in asked]
    return Answer("next", name, wording.hindi, bookings=tuple(of_these or ahead)[:MOST_BOOKINGS])


def _owed(by):
    if by.role is not Role.CUSTOMER:
        return ()
    unpaid = Booking.status.in_(_FINISHED) & (Booking.total > Booking.paid)
    return tuple(_mine(by, unpaid, Booking.starts_at.desc()))


def _mine(by, condition, order):
    """What somebody takes part in, the first few: what an admin may see besides is not theirs."""
    side = {Role.CUSTOMER: Booking.customer_id, Role.PROFESSIONAL: Booking.professional_id}.get(by.role)
    if side is None:
        return []
    found = (
        bookings.visible_to(by)
        .where(side == by.id, condition)
        .options(
            joinedload(Booking.service).joinedload(Service.category),
            joinedload(Booking.customer),
            joinedload(Booking.professional).joinedload(Professional.user),
        )
        .order_by(order, Booking.id)
        .limit(MOST_LOOKED_AT)
    )
    return list(db.session.scalars(found))
