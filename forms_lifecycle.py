"""WTForms of what happens when plans change."""

from flask_babel import lazy_gettext as _l
from flask_wtf.file import MultipleFileField
from wtforms import DateField, FloatField, HiddenField, SelectChoice, SelectField, TextAreaField
from wtforms.validators import DataRequired, InputRequired, Length, Optional

from fields import IdField, IdsField, MomentField, MomentsField, MoneyField, WholeNumberField
from forms import Form, PlaceForm, ReasonForm, tidy
from models import Every

EVERY = {
    Every.WEEK: _l("Every week"),
    Every.FORTNIGHT: _l("Every two weeks"),
    Every.THREE_WEEKS: _l("Every three weeks"),
    Every.MONTH: _l("Every month"),
}


class ProposeForm(Form):
    day = DateField(_l("Day"), [Optional()])
    starts_at = MomentField(_l("Time"), [DataRequired(_l("Choose a time."))])
    note = TextAreaField(_l("Note"), [Length(max=500)], filters=[tidy])


class AnswerTimeForm(Form):
    note = TextAreaField(_l("Note"), [Length(max=500)], filters=[tidy])


class NoShowForm(Form):
    note = TextAreaField(_l("What happened"), [Length(max=500)], filters=[tidy])


class DisputeForm(Form):
    words = TextAreaField(_l("What was wrong"), filters=[tidy])
    evidence = MultipleFileField(_l("Photos"))


class AnswerDisputeForm(Form):
    answer = TextAreaField(_l("Your answer"), filters=[tidy])


class RefundForm(ReasonForm):
    amount = MoneyField(_l("Amount"), [InputRequired(_l("Enter an amount."))])


class ReworkForm(ReasonForm):
    day = DateField(_l("Day"), [Optional()])
    starts_at = MomentField(_l("Time"), [DataRequired(_l("Choose a time."))])


class AppealForm(Form):
    words = TextAreaField(_l("Your side"), filters=[tidy])


class AnswerAppealForm(Form):
    answer = TextAreaField(_l("Your answer"), filters=[tidy])


class SickDaysForm(Form):
    first = DateField(_l("First day"), [InputRequired(_l("Choose a day."))])
    last = DateField(_l("Last day"), [Optional()])


class SickDayForm(Form):
    day = DateField(_l("Day"), [InputRequired(_l("Choose a day."))])


class PositionForm(Form):
    """What a phone says of where it is; a script sends it, and nobody reads what is wrong with it."""

    lat = FloatField(validators=[InputRequired()])
    lon = FloatField(validators=[InputRequired()])
    accuracy = FloatField(validators=[InputRequired()])


class WaitForm(Form):
    professional_id = IdField(_l("Professional"), [DataRequired(_l("Choose a professional."))])
    service_id = IdField(_l("Service"), [DataRequired(_l("Choose a service."))])
    address_id = IdField(_l("Address"), [DataRequired(_l("Choose one of your addresses."))])
    day = DateField(_l("Day"), [InputRequired(_l("Choose a day."))])


class SeriesForm(PlaceForm):
    """What is repeated, how often, and which of the times of the plan were chosen."""

    key = HiddenField(validators=[Length(max=48)], filters=[tidy])
    professional_id = IdField(_l("Professional"), [DataRequired(_l("Choose a professional."))])
    service_id = IdField(_l("Service"), [DataRequired(_l("Choose a service."))])
    more = IdsField(_l("More in the same visit"))
    starts_at = MomentField(_l("Time"), [DataRequired(_l("Choose a time."))])
    every = SelectField(_l("How often"), choices=[SelectChoice(every.value, name) for every, name in EVERY.items()])
    count = WholeNumberField(_l("How many visits"), [InputRequired(_l("Choose from 2 to 12 visits."))], default=4)
    remarks = TextAreaField(_l("Remarks"), [Length(max=1000)], filters=[tidy])
    chosen = MomentsField(_l("Times"))
