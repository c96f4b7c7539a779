"""WTForms of what connects the site to other programs: keys and webhooks."""

from flask_babel import lazy_gettext as _l
from wtforms import RadioField, SelectMultipleField, StringField
from wtforms.validators import DataRequired, Length
from wtforms.widgets import CheckboxInput, ListWidget

from domain import api_keys, webhooks
from forms import Form, one_of, tidy
from models import Role

DAYS = {"30": _l("30 days"), "90": _l("90 days"), "365": _l("a year"), "none": _l("until you revoke it")}


def _boxes(label, **options):
    return SelectMultipleField(label, widget=ListWidget(prefix_label=False), option_widget=CheckboxInput(), **options)


class KeyForm(Form):
    name = StringField(
        _l("Name"), [DataRequired(_l("Name the key after what uses it.")), Length(max=80)], filters=[tidy]
    )
    scopes = _boxes(_l("What it may do"))
    days = RadioField(_l("Valid for"), choices=one_of(DAYS.items()), default="90")

    @property
    def lasts(self) -> int | None:
        return None if self.days.data == "none" else int(self.days.data)


def key_form(role: Role) -> KeyForm:
    """A form with what a key of somebody of this role can be allowed."""
    form = KeyForm()
    form.scopes.choices = one_of((str(scope), api_keys.WORDS[scope]) for scope in api_keys.SCOPES_OF[role])
    return form


class WebhookForm(Form):
    url = StringField(
        _l("Address"),
        [DataRequired(_l("Enter an address that begins with https://.")), Length(max=500)],
        filters=[tidy],
    )
    verbs = _boxes(_l("Events"), choices=one_of(webhooks.EVENTS.items()))
