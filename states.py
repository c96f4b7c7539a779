"""docs/states.md, made from the table of domain.transitions: what can happen to a booking, as people read it."""

from itertools import groupby

from flask_babel import force_locale

from domain.deadlines import MOST_EXTRAS
from domain.transitions import BLOCKING, LABELS, RULES, Party
from domain.users import OVER
from models import Status
from policies import BookingPolicy

HEAD = """# What can happen to a booking

Made by `make states` from the table in `domain/transitions.py` and the numbers in `config.py`; a test fails when this
page is older than they are. Every move is one compare-and-set of the booking's row, in one transaction with its
event, its claims and the messages to those whom it concerns. Who comes too late gets 409 and the booking as it is now.
"""
PEOPLE = {
    Party.CUSTOMER: "customer",
    Party.PROFESSIONAL: "its professional",
    Party.OFFERED: "a professional who was asked",
    Party.ADMIN: "admin",
    Party.CLOCK: "the clock",
}


def document() -> str:
    """The whole page, the same on every site: with the numbers of an untouched policy, in English."""
    with force_locale("en"):
        parts = [HEAD, _diagram(), _holding(), _table(_refusals(BookingPolicy()))]
    return "\n".join(parts)


def _diagram():
    arrows = {}
    for rule in RULES:
        for source in sorted(rule.sources, key=list(Status).index):
            if rule.target and rule.target is not source:
                arrows.setdefault((source, rule.target), {})[rule.verb] = None
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f'    state "{LABELS[status]}" as {status.value}' for status in Status]
    lines += ["    [*] --> pending: request", "    [*] --> accepted: rework"]
    lines += [f"    {source} --> {target}: {', '.join(names)}" for (source, target), names in arrows.items()]
    lines += [f"    {status.value} --> [*]" for status in OVER]
    return "\n".join([*lines, "```", ""])


def _holding():
    names = ", ".join(str(LABELS[status]) for status in Status if status in BLOCKING)
    return f"A booking holds its slot while it is one of these: {names}. In every other state the time is free.\n"


def _table(refusals):
    pending, accepted = str(LABELS[Status.PENDING]), str(LABELS[Status.ACCEPTED])
    rows = [("request", "customer", "–", pending, refusals["request"])]
    for key, group in groupby(RULES, lambda rule: (rule.verb, rule.sources, rule.target, _said(rule, refusals))):
        verb, sources, target, said = key
        who = ", ".join(PEOPLE[rule.by] for rule in group)
        left = ", ".join(str(LABELS[status]) for status in Status if status in sources)
        rows.append((verb, who, left, str(LABELS[target]) if target else "stays", said))
    rows.append(("rework", "admin", "–", accepted, "it is a way to `resolve` another: a new booking for nothing"))
    lines = ["| verb | who | from | to | refused when |", "|---|---|---|---|---|"]
    lines += ["| " + " | ".join([f"`{verb}`", *cells]) + " |" for verb, *cells in rows]
    return "\n".join(lines) + "\n"


def _said(rule, refusals):
    return refusals.get((rule.verb, rule.by)) or refusals[rule.verb]


def _refusals(policy):
    """What keeps somebody from a verb besides the state, by the verb, or by the verb and who uses it."""
    unanswered = "the time to answer is over"
    bookable = (
        f"the start is past, less than {policy.lead_minutes} minutes or more than {policy.horizon_days} days ahead; "
        "the professional does not work then, is away, or can't get there in time; "
        "the customer has another booking then; the slot is taken"
    )
    late = f"it is less than {policy.expire_before_start_minutes} minutes to the start"
    return {
        "request": (
            f"{bookable}; the professional is not approved, takes no bookings, does not offer the service or "
            f"does not come so far; the customer has {policy.max_unanswered} unanswered requests; one of the "
            "two does not want to meet the other again"
        ),
        ("accept", Party.PROFESSIONAL): (
            f"{unanswered}; the customer has moved it; the professional is not approved any more"
        ),
        ("accept", Party.OFFERED): (
            f"{unanswered}; another was first; the professional is not free then, can't get there in time, or "
            "one of the two does not want to meet the other again"
        ),
        "reject": f"{unanswered}; no reason is given",
        "expire": (
            f"it can still be answered: for {policy.answer_minutes_same_day // 60} hours when it is for the "
            f"same day, else for {policy.answer_minutes // 60}, and until {policy.expire_before_start_minutes} "
            "minutes before the start; a proposed time is waited for"
        ),
        "edit": f"{unanswered}; the address is too far; once accepted, all but the address within the same PIN code",
        "move": f"{unanswered}; {bookable}",
        "propose": (
            f"{unanswered}; nobody has it yet; {late}; {policy.agreed_moves} changes were agreed already; a "
            f"proposal of one's own is open; {bookable}"
        ),
        "agree": (
            f"no proposal of the other side is open: it lapses after {policy.proposal_hours} hours, and "
            f"{policy.expire_before_start_minutes} minutes before either start; the new time was taken "
            "meanwhile"
        ),
        "decline_time": "no proposal of the other side is open",
        "withdraw": "no proposal of one's own is open",
        "lapse": "the proposal can still be answered",
        ("cancel", Party.CUSTOMER): (
            f"{unanswered}. It is free while pending, for {policy.cancel_grace_minutes} minutes after booking "
            f"and until {policy.free_cancel_hours} hours before the start, and then costs the late fee"
        ),
        ("cancel", Party.PROFESSIONAL): "–; the customer pays nothing, and it counts on the scorecard",
        ("cancel", Party.ADMIN): "no reason is given",
        "reassign": "no reason is given; the other professional is not free then",
        "renew_code": "–",
        "depart": f"it is more than {policy.depart_before_hours} hours to the start",
        "start": (
            f"it is more than {policy.start_before_minutes} minutes to the start; the code is wrong; it was "
            f"wrong {policy.code_tries} times, until the customer renews it"
        ),
        "override_code": "no reason is given",
        "knock": (
            f"it is more than {policy.knock_before_minutes} minutes to the start; the last knock is less than "
            f"{policy.knock_pause_minutes} minutes ago"
        ),
        ("no_show", Party.PROFESSIONAL): f"before {policy.no_show_minutes} minutes after the start; nobody knocked",
        ("no_show", Party.CUSTOMER): f"before {policy.no_show_minutes} minutes after the start",
        "cascade": (
            "the customer does not wish it, or ended it; nobody else is free; there are less than "
            f"{max(policy.lead_minutes, policy.expire_before_start_minutes)} minutes left"
        ),
        "propose_extra": f"there are {MOST_EXTRAS} already; the amount is more than the site allows",
        **dict.fromkeys(("approve_extra", "decline_extra", "withdraw_extra"), "it was answered or taken back"),
        "complete": "an extra charge is still unapproved",
        "record_payment": "nothing is due; the amount is more than that",
        ("close", Party.CUSTOMER): "–",
        ("close", Party.CLOCK): f"the customer can still confirm it, for {policy.auto_close_hours} hours",
        "dispute": f"it is more than {policy.dispute_days} days after completion; it was decided about already",
        "answer_dispute": f"it was answered already; it is more than {policy.answer_dispute_hours} hours old",
        "resolve": (
            "no reason is given; the professional has neither answered nor had the time to; the refund is more "
            "than was charged; the time at which it is done again can't be booked"
        ),
        "review": f"there is a review already; it is more than {policy.review_window_days} days after closing",
    }
