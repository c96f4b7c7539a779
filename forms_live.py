"""WTForms of what people do while they are about it: write to each other."""

from flask_babel import lazy_gettext as _l
from flask_wtf.file import FileField
from wtforms import BooleanField, HiddenField, TextAreaField
from wtforms.validators import DataRequired, Length

from fields import IdField
from forms import Form, tidy


class MessageForm(Form):
    """`seen` is the last message of the other side that the page shows."""

    key = HiddenField(validators=[Length(max=64)], filters=[tidy])
    seen = IdField()
    text = TextAreaField(_l("Message"), filters=[tidy])
    picture = FileField(_l("Photo"))


class SeenForm(Form):
    """Up to which message a page has the conversation, and whether it was shown."""

    upto = IdField(validators=[DataRequired()])
    read = BooleanField()
