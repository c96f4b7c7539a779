"""Which faults pass by themselves: of a database or a disk that cannot just now, of SQLite, PostgreSQL and the system.

They are no faults of the code, and whoever asked is told to come back. A statement that is wrong, or a
file that is damaged, is none of these.
"""

import errno
import sqlite3
from logging import Logger

import psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

# After this many seconds asking again is worth it.
SECONDS_TO_COME_BACK = 10
# SQLite says more in the upper bits: somebody else writes, the disk is full, read only, gone, or out of order.
_OF_SQLITE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    }
)
# Among its operational errors are a server that is away, has too many guests or no room, and a lock that is held.
_OF_POSTGRESQL = (psycopg.OperationalError, psycopg.errors.ReadOnlySqlTransaction)
_OF_THE_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO})


def is_one(fault: BaseException | None) -> bool:
    """Whether a fault passes by itself."""
    # A bucket that says nothing is a TimeoutError.
    if isinstance(fault, NoConnectionFree | TimeoutError) or getattr(fault, "connection_invalidated", False):
        return True
    fault = _of_the_driver(fault)
    if isinstance(fault, sqlite3.Error):
        # What Python's own part of the driver says has no code.
        return getattr(fault, "sqlite_errorcode", -1) & 0xFF in _OF_SQLITE
    if isinstance(fault, OSError):
        return fault.errno in _OF_THE_DISK
    return isinstance(fault, _OF_POSTGRESQL)


def words(fault: BaseException) -> str:
    """What the system says of it, for the log."""
    return str(_of_the_driver(fault)).partition("\n")[0]


def note(logger: Logger, what: str, fault: Exception) -> None:
    """Write down what went wrong where nobody waits for an answer; a fault of the code with its way through it."""
    if is_one(fault):
        logger.warning("%s: %s", what, words(fault))
    else:
        logger.error(what, exc_info=fault)


def _of_the_driver(fault):
    return fault.orig if isinstance(fault, DBAPIError) else fault
