"""WTForms of the forecast: of what and where."""

from flask_babel import lazy_gettext as _l
from wtforms import SelectField
from wtforms.validators import Optional

from forms import Asked


class ForecastForm(Asked):
    city = SelectField(_l("City or district"), [Optional()])
    service = SelectField(_l("Service"), [Optional()], coerce=lambda value: int(value) if value else None)
