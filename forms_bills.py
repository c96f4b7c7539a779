"""WTForms of prices: what is added on site, rate cards, and coupons."""

from flask_babel import lazy_gettext as _l
from wtforms import DateField, SelectField, StringField
from wtforms.validators import InputRequired, Length, NumberRange, Optional

from domain import coupons, extras
from fields import IdsField, MoneyField, WholeNumberField
from forms import Form, plausible_date, tidy

_COUNT = [Optional(), NumberRange(1, coupons.MOST_USES)]


class ExtraForm(Form):
    """An item of the rate card, or one written by hand."""

    item_id = SelectField(_l("From your rate card"), coerce=int, default=0)
    label = StringField(_l("What it is"), [Length(max=extras.LONGEST_LABEL)], filters=[tidy])
    price = MoneyField(_l("Price for one"))
    quantity = WholeNumberField(_l("How many"), [InputRequired(_l("Enter a number."))], default=1)


class ExtrasForm(Form):
    extra_ids = IdsField(_l("What is added"))


class RateItemForm(Form):
    label = StringField(_l("What it is"), [Length(max=extras.LONGEST_LABEL)], filters=[tidy])
    price = MoneyField(_l("Price for one"), [InputRequired(_l("Enter a price."))])


class CouponForm(Form):
    code = StringField(_l("Code"), [InputRequired(_l("Enter a code.")), Length(max=30)], filters=[tidy])
    percent = WholeNumberField(_l("Percentage"), [Optional(), NumberRange(1, 100)])
    most = MoneyField(_l("But at most"))
    amount = MoneyField(_l("Or an amount"))
    least_total = MoneyField(_l("For bookings from"))
    first = DateField(_l("First day"), [Optional(), plausible_date])
    last = DateField(_l("Last day"), [Optional(), plausible_date])
    limit_all = WholeNumberField(_l("How often in all"), _COUNT)
    limit_each = WholeNumberField(_l("How often for each customer"), _COUNT)
    category_id = SelectField(_l("Only for a category"), coerce=int, default=0)
    service_id = SelectField(_l("Only for a service"), coerce=int, default=0)
