"""WTForms of what happens when plans change."""

from flask_babel import lazy_gettext as _l
from wtforms import DateField, TextAreaField
from wtforms.validators import DataRequired, Length, Optional

from forms import Form, MomentField, tidy


class ProposeForm(Form):
    day = DateField(_l("Day"), [Optional()])
    starts_at = MomentField(_l("Time"), [DataRequired(_l("Choose a time."))])
    note = TextAreaField(_l("Note"), [Length(max=500)], filters=[tidy])


class AnswerTimeForm(Form):
    note = TextAreaField(_l("Note"), [Length(max=500)], filters=[tidy])
