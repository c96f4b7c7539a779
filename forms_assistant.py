"""WTForms of the help assistant."""

from flask_babel import lazy_gettext as _l
from wtforms import HiddenField, StringField
from wtforms.validators import DataRequired, Length

from forms import Form, tidy

LONGEST_QUESTION = 300
LONGEST_PLAN = 1000


class QuestionForm(Form):
    """A question, or a button: `about` is what was meant of several things, the rest is a step of a booking."""

    question = StringField(
        _l("Your question"),
        [DataRequired(_l("Write a question.")), Length(max=LONGEST_QUESTION)],
        filters=[tidy],
    )
    about = HiddenField(validators=[Length(max=80)], filters=[tidy])
    plan = HiddenField(validators=[Length(max=LONGEST_PLAN)], filters=[tidy])
    language = HiddenField(validators=[Length(max=2)], filters=[tidy])
    service = HiddenField(validators=[Length(max=140)], filters=[tidy])
    near = HiddenField(validators=[Length(max=120)], filters=[tidy])
    day = HiddenField(validators=[Length(max=10)], filters=[tidy])
    part = HiddenField(validators=[Length(max=10)], filters=[tidy])
