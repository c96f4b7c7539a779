"""The numbers of the rules: of bookings, and for how long what is kept."""

from dataclasses import dataclass


@dataclass(frozen=True)
class BookingPolicy:
    """The numbers of the marketplace's rules; minutes, hours and days as named."""

    lead_minutes: int = 60
    horizon_days: int = 30
    max_unanswered: int = 5
    answer_minutes_same_day: int = 120
    answer_minutes: int = 24 * 60
    expire_before_start_minutes: int = 60
    free_cancel_hours: int = 3
    cancel_grace_minutes: int = 5
    depart_before_hours: int = 3
    start_before_minutes: int = 30
    code_tries: int = 5
    auto_close_hours: int = 24
    review_edit_hours: int = 48
    review_window_days: int = 30
    buffer_minutes: int = 15
    slot_step_minutes: int = 30
    offers: int = 5
    agreed_moves: int = 2
    proposal_hours: int = 12
    knock_before_minutes: int = 15
    knock_pause_minutes: int = 5
    no_show_minutes: int = 30
    dispute_days: int = 7
    answer_dispute_hours: int = 48
    resolve_dispute_days: int = 7
    hold_minutes: int = 15
    chat_days: int = 7
    series_days: int = 180
    prior_weight: int = 5
    scorecard_days: int = 30
    scorecard_sample: int = 5
    least_acceptance: int = 50
    least_punctuality: int = 70
    least_completion: int = 80
    least_rating: float = 3.0
    punctual_minutes: int = 15
    warning_days: int = 7


@dataclass(frozen=True)
class KeepDays:
    """For how many days what is kept, see domain.retention."""

    chats: int = 365
    notifications: int = 180
    # A year beside the year before it can be looked at.
    searches: int = 760
    questions: int = 180
    exports: int = 7
    # Eight years, as books are kept. In India an invoice of April is to be kept for seven years and nine months.
    invoices: int = 2920
    tombstones: int = 2920
