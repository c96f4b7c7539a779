"""WTForms of commission, of the calculator, and of what is paid out to professionals."""

from decimal import Decimal

from flask_babel import lazy_gettext as _l
from wtforms import DateField, DecimalField, HiddenField, RadioField, StringField
from wtforms.validators import InputRequired, Length, NumberRange, Optional

from fields import MoneyField, PercentField
from forms import Asked, Form, one_of, plausible_date, tidy
from models_money import PayoutWay

HOURS_IN_A_WEEK = 168
WAYS = {PayoutWay.BANK: _l("Bank account"), PayoutWay.UPI: _l("UPI")}


class CommissionForm(Form):
    commission = PercentField(_l("Commission in per cent"), [Optional()])


class PayoutAccountForm(Form):
    """A bank account or a UPI id; which fields count is for the domain to say."""

    way = RadioField(
        _l("How you are paid"),
        choices=one_of(WAYS.items()),
        coerce=PayoutWay,
        default=PayoutWay.BANK,
        validators=[InputRequired(_l("Choose one of the two."))],
    )
    holder = StringField(_l("Name at the bank"), [Length(max=120)], filters=[tidy])
    number = StringField(_l("Account number"), [Length(max=60)], filters=[tidy])
    code = StringField(_l("Code of the bank (IFSC)"), [Length(max=30)], filters=[tidy])
    upi = StringField(_l("UPI id"), [Length(max=330)], filters=[tidy])


class BatchForm(Asked):
    until = DateField(_l("Earned until"), [Optional(), plausible_date])


class MakeBatchForm(Form):
    until = DateField(validators=[InputRequired(_l("Choose a day.")), plausible_date])
    mark = HiddenField(validators=[Length(max=64)])


class CalculatorForm(Asked):
    rate = MoneyField(_l("Your hourly rate"), [InputRequired(_l("Enter an hourly rate."))])
    hours = DecimalField(
        _l("Hours a week"),
        [InputRequired(_l("Enter the hours of a week, 0 to 168.")), NumberRange(0, HOURS_IN_A_WEEK)],
        places=None,
    )

    @property
    def minutes(self) -> int:
        return int((self.hours.data * 60).to_integral_value(rounding="ROUND_HALF_UP"))

    @staticmethod
    def hours_of(minutes: int) -> Decimal:
        """Hours as they stand in the field: 37.5."""
        return (Decimal(minutes) / 60).quantize(Decimal("0.01")).normalize()
