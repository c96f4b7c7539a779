"""By which ways a person gets which messages: what they may choose, and how they leave a kind of mail."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from itsdangerous import BadData, URLSafeSerializer
from sqlalchemy import select

import gateways
from domain import clock, consents, outbox
from domain.errors import Conflict, Invalid, NotAllowed, NotFound
from domain.outbox import ESSENTIAL, USUAL, Topic
from extensions import db, settings
from models import Channel, OutboxMessage, Role, User

# By which people are reached; a webhook reaches a program.
LABELS = {Channel.MAIL: _l("E-mail"), Channel.CHAT: _l("Google Chat"), Channel.SMS: _l("SMS")}
# What nobody chooses: an account's safety is told by mail, to the address that opens it.
FIXED = Topic.ACCOUNT


@dataclass(frozen=True)
class Offer:
    """A topic in the words of those who get it."""

    label: str
    text: str


_ACCOUNT = Offer(_l("Account and security"), _l("Links to confirm your address or set a password. Always by e-mail."))
TOPICS = {
    Role.CUSTOMER: {
        Topic.ACCOUNT: _ACCOUNT,
        Topic.BOOKINGS: Offer(
            _l("Bookings"),
            _l("Your request is accepted, declined, moved, cancelled or done. At least one way stays on."),
        ),
        Topic.PROGRESS: Offer(
            _l("On the day"), _l("The professional is on the way, has started, or noted your payment.")
        ),
        Topic.MESSAGES: Offer(_l("Messages"), _l("Your professional writes to you. Once until you read it.")),
        Topic.REMINDERS: Offer(_l("Reminders"), _l("A day and two hours before a booking.")),
        Topic.REVIEWS: Offer(_l("Reviews"), _l("A day after a job, and when somebody replies to your review.")),
        Topic.REPORTS: Offer(_l("Monthly report"), _l("What you booked and spent in the month before.")),
    },
    Role.PROFESSIONAL: {
        Topic.ACCOUNT: Offer(
            _l("Account and security"),
            _l("Links to confirm your address or set a password, and your approval. Always by e-mail."),
        ),
        Topic.BOOKINGS: Offer(
            _l("Requests and jobs"), _l("Somebody asks for you, moves or cancels a job. At least one way stays on.")
        ),
        Topic.PROGRESS: Offer(_l("On the day"), _l("The customer confirms that the job is done.")),
        Topic.MESSAGES: Offer(_l("Messages"), _l("A customer writes to you. Once until you read it.")),
        Topic.REMINDERS: Offer(
            _l("Reminders"), _l("In the evening: requests to answer, and the jobs of the next day.")
        ),
        Topic.REVIEWS: Offer(_l("Reviews"), _l("Somebody reviewed your work.")),
        Topic.REPORTS: Offer(_l("Earnings statement"), _l("What you earned in the month before.")),
    },
    Role.ADMIN: {
        Topic.ACCOUNT: _ACCOUNT,
        Topic.SITE: Offer(_l("The site"), _l("An export that you asked for is ready, or failed.")),
    },
}


def offered() -> tuple[Channel, ...]:
    """The channels that this site has."""
    return tuple(channel for channel in LABELS if channel is not Channel.SMS or settings.sms_url)


def chosen(user: User) -> dict[Topic, tuple[str, ...]]:
    """For each topic of a person, the channels by which they get it now."""
    return {topic: outbox.channels(user.message_choices, topic) for topic in TOPICS[user.role]}


def choose(user: User, by: User, choices: Mapping[str, Iterable[str]], chat_url: str | None) -> None:
    """Set by which channels a person gets each of these topics, and where their chat is.

    Topics that are not named stay as they are. Raises Invalid naming the topic, or `chat_url`.
    """
    _must_be(user, by)
    before = chosen(user)
    wanted = {**before, **{_topic(user, name): _ways(ways) for name, ways in choices.items()}}
    hook = _webhook(chat_url)
    for topic, ways in wanted.items():
        _check(user, topic, ways, hook)
    user.chat_url = hook
    user.message_choices = _unusual(wanted)
    db.session.flush()
    _note(user, before)


def forget(user: User, channel: Channel) -> None:
    """Take a channel that a person no longer has out of their choices; what is essential falls back to mail."""
    if user.message_choices is not None:
        kept = {topic: [way for way in ways if way != channel] for topic, ways in user.message_choices.items()}
        user.message_choices = _unusual({topic: outbox.channels(kept, topic) for topic in map(Topic, kept)})
        db.session.flush()


def send_test(user: User, by: User) -> list[Channel]:
    """A message to try each channel that a person uses, once a minute. Raises Conflict for the second."""
    _must_be(user, by)
    used = {way for ways in chosen(user).values() for way in ways}
    ways = [channel for channel in offered() if channel in used]
    cause = f"test_message:{clock.now():%Y-%m-%dT%H:%M}"
    first = select(OutboxMessage.id).where(OutboxMessage.key == f"{cause}:{user.id}:{ways[0]}")
    if db.session.scalar(first) is not None:
        raise Conflict(_("A test message is on its way already. Wait a minute before the next one."))
    outbox.publish_by(ways, user.id, "test_message", cause)
    return ways


# -- Leaving a kind of mail -------------------------------------------------------------------


@dataclass(frozen=True)
class Subscription:
    """A kind of mail that somebody gets, or has left: what the link in a mail leads to."""

    user: User
    topic: Topic

    @property
    def label(self) -> str:
        return str(TOPICS[self.user.role][self.topic].label)

    @property
    def address(self) -> str:
        """Enough of the address for its owner to know it, whoever holds the link."""
        name, _at, host = self.user.email.partition("@")
        return f"{name[:1]}•••@{host}"

    @property
    def on(self) -> bool:
        return Channel.MAIL in chosen(self.user)[self.topic]


def unsubscribe_token(user_id: int, topic: Topic) -> str | None:
    """What stands for a person and a topic in the link to leave it; None for what nobody can leave."""
    return None if topic in ESSENTIAL else _signer().dumps([user_id, topic])


def subscription(token: str) -> Subscription:
    """What a link in a mail is about. Raises NotFound when it is not ours, or the person is gone."""
    try:
        user_id, topic = _signer().loads(token)
        user, topic = db.session.get(User, user_id), Topic(topic)
    except (BadData, ValueError, TypeError):
        user = None
    if user is None or user.anonymised_at is not None or topic in ESSENTIAL or topic not in TOPICS[user.role]:
        raise NotFound(_("This link does not work any more. Log in to choose which messages you get."))
    return Subscription(user, topic)


def unsubscribe(token: str) -> Topic:
    """No mails of the token's topic any more; other channels stay as they are."""
    return _set_mail(token, on=False)


def subscribe_again(token: str) -> Topic:
    return _set_mail(token, on=True)


def _set_mail(token, on):
    found = subscription(token)
    ways = chosen(found.user)
    others = [way for way in ways[found.topic] if way != Channel.MAIL]
    ways[found.topic] = (*([Channel.MAIL] if on else []), *others)
    before = chosen(found.user)
    found.user.message_choices = _unusual(ways)
    db.session.flush()
    _note(found.user, before)
    return found.topic


def set_reports(user: User, by: User, on: bool) -> None:
    """Get the monthly report by mail, or by no way at all."""
    choose(user, by, {Topic.REPORTS: [Channel.MAIL] if on else []}, user.chat_url)


def _note(user, before):
    """Whether somebody wants the report that they need not get is theirs to say, and is written down."""
    wants = bool(chosen(user).get(Topic.REPORTS))
    if wants != bool(before.get(Topic.REPORTS)):
        consents.note(user, consents.REPORTS, given=wants)


def _signer():
    return URLSafeSerializer(settings.secret_key, salt="unsubscribe")


# -- Checks -----------------------------------------------------------------------------------


def _topic(user, name):
    if name not in TOPICS[user.role]:
        raise Invalid(_("There are no such messages for you."))
    return Topic(name)


def _ways(ways):
    ways = set(ways)
    if ways - LABELS.keys():
        raise Invalid(_("There is no such way to reach you."))
    return tuple(channel for channel in LABELS if channel in ways)


def _webhook(url):
    if not (url or "").strip():
        return None
    hook = gateways.webhook(url)
    if hook is None:
        raise Invalid(
            _("This is not the address of a Google Chat webhook. Copy it whole, from https:// to the end."),
            field="chat_url",
        )
    return hook.url


def _check(user, topic, ways, hook):
    if topic is FIXED and tuple(ways) != USUAL[topic]:
        raise Invalid(_("Messages about your account always come by e-mail."), field=topic)
    if topic in ESSENTIAL and not ways:
        raise Invalid(_("Choose at least one way: without these you would miss what was agreed."), field=topic)
    if Channel.CHAT in ways and hook is None:
        raise Invalid(_("Give the webhook of your chat, or choose another way."), field="chat_url")
    if Channel.SMS in ways and Channel.SMS not in offered():
        raise Invalid(_("This site does not send SMS."), field=topic)
    if Channel.SMS in ways and not user.phone:
        raise Invalid(_("Add a phone number to your profile first."), field=topic)


def _unusual(wanted):
    """Only what differs from the usual is kept, so that the usual may change."""
    kept = {str(topic): [str(way) for way in ways] for topic, ways in wanted.items() if tuple(ways) != USUAL[topic]}
    return kept or None


def _must_be(user, by):
    if user.id != by.id:
        raise NotAllowed(_("You can only change your own account."))
