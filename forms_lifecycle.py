"""WTForms of what happens when plans change."""

from flask_babel import lazy_gettext as _l
from flask_wtf.file import MultipleFileField
from wtforms import DateField, TextAreaField
from wtforms.validators import DataRequired, InputRequired, Length, Optional

from forms import Form, IdField, MomentField, MoneyField, ReasonForm, tidy


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


class WaitForm(Form):
    professional_id = IdField(_l("Professional"), [DataRequired(_l("Choose a professional."))])
    service_id = IdField(_l("Service"), [DataRequired(_l("Choose a service."))])
    address_id = IdField(_l("Address"), [DataRequired(_l("Choose one of your addresses."))])
    day = DateField(_l("Day"), [InputRequired(_l("Choose a day."))])
