"""The help articles as pages show them: the numbers are those of the settings, the buttons' words the reader's."""

import re

from babel.lists import format_list
from flask_babel import get_locale, gettext
from markdown_it import MarkdownIt
from markupsafe import Markup

import templating
from domain import payments
from domain.help_articles import LANGUAGES, Article
from extensions import settings

_FACT = re.compile(r"\{([a-z_]+)\}")
_BUTTON = re.compile(r"\[\[([^\]]+)\]\]")
# The texts are the site's own; what is set, such as its name, is not.
_MARKDOWN = MarkdownIt("commonmark", {"html": False})


def language() -> str:
    """The reader's language, of those in which there are articles."""
    return get_locale().language if get_locale().language in LANGUAGES else "en"


def text(article: Article) -> str:
    """An article in the reader's language as Markdown, with its numbers."""
    known = facts()
    words = _FACT.sub(lambda found: str(known[found[1]]), article.texts[language()])
    return _BUTTON.sub(lambda found: gettext(found[1]), words)


def html(markdown: str) -> Markup:
    # What a text may have of HTML is written out as it stands.
    return Markup(_MARKDOWN.render(markdown))  # noqa: S704


def lead(article: Article) -> str:
    """The beginning of an article, which is its answer in short."""
    return "\n\n".join(text(article).split("\n\n")[:2])


def facts() -> dict[str, object]:
    """What stands in braces in the articles."""
    policy = settings.policy
    return {
        "answer": policy.answer_minutes // 60,
        "answer_dispute": policy.answer_dispute_hours,
        "answer_same_day": policy.answer_minutes_same_day // 60,
        "before_start": policy.expire_before_start_minutes,
        "chat_days": policy.chat_days,
        "close_hours": policy.auto_close_hours,
        "code_early": policy.start_before_minutes,
        "code_tries": policy.code_tries,
        "commission": templating.percent(settings.commission_basis_points),
        "contact": contact(),
        "decide_days": policy.resolve_dispute_days,
        "dispute_days": policy.dispute_days,
        "free_hours": policy.free_cancel_hours,
        "grace": policy.cancel_grace_minutes,
        "hold": policy.hold_minutes,
        "horizon": policy.horizon_days,
        "languages": ", ".join(templating.LANGUAGES.values()),
        "late_fee": templating.price(settings.late_fee),
        "lead": policy.lead_minutes,
        "max_unanswered": policy.max_unanswered,
        "methods": methods(),
        "min_payout": templating.price(settings.min_payout),
        "moves": policy.agreed_moves,
        "no_show": policy.no_show_minutes,
        "offers": policy.offers,
        "platform_fee": templating.price(settings.platform_fee),
        "proposal_hours": policy.proposal_hours,
        "review_days": policy.review_window_days,
        "review_edit": policy.review_edit_hours,
        "tax_name": settings.tax_name,
        "tax_percent": templating.percent(settings.tax_basis_points),
    }


def methods() -> str:
    """How customers can pay, as the site is set up."""
    noted = [templating.payment_method(one.value) for one in payments.methods_noted()]
    return ", ".join([*noted, *(name.title() for name in settings.gateways)])


def contact() -> str:
    """How the operator is reached, in words."""
    known = [one for one in (settings.contact_email, settings.contact_phone) if one]
    return format_list(known, "or", get_locale()) if known else gettext("see the page About")
