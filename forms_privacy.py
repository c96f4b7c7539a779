"""The form by which somebody has their account erased."""

from flask_babel import lazy_gettext as _l
from wtforms import PasswordField, StringField
from wtforms.validators import DataRequired, Length

from forms import Form, tidy


class EraseForm(Form):
    words = StringField(_l("Your words"), [DataRequired(_l("Write the words to confirm.")), Length(max=100)], [tidy])
    password = PasswordField(_l("Password"), [DataRequired(_l("Enter the password.")), Length(max=128)])
