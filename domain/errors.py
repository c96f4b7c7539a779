"""What a rule says when it refuses. Every message is safe to show and says what to do instead."""


class DomainError(Exception):
    """A refusal with a message for the person who asked.

    The transaction of a refusal is rolled back, unless the refusal itself is to be `recorded`.
    """

    recorded = False

    def __init__(self, message: str):
        super().__init__(message)
        self.message = message


class NotAuthenticated(DomainError):
    """Nobody knows who is asking: log in, or log in again."""


class NotAllowed(DomainError):
    """This person may not do this."""


class NotFound(DomainError):
    """There is no such thing, or none that this person may see."""


class InvalidTransition(DomainError):
    """The booking is not, or is no longer, in a state that allows this."""


class Conflict(DomainError):
    """Somebody else was first."""


class Invalid(DomainError):
    """What was given cannot be used; `field` names the input at fault, when there is one."""

    def __init__(self, message: str, field: str | None = None):
        super().__init__(message)
        self.field = field


class WrongCode(Invalid):
    """A wrong start code. It counts as a try, so the transaction is kept."""

    recorded = True
