"""How races are run: many people, each with a session of their own, let go at the same moment."""

import multiprocessing
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from extensions import begin_write, db

CROWD = 20
ROUNDS = int(os.environ.get("RACE_ROUNDS", "200"))  # `make soak` plays more


def attempt(app, act):
    """Do one thing in a transaction of its own; answer its result or the exception."""
    with app.app_context():
        try:
            begin_write()
            result = act()
            db.session.commit()
            return result
        except Exception as error:
            db.session.rollback()
            return error
        finally:
            db.session.remove()


@pytest.fixture
def at_once(app):
    """at_once([act, ...]) runs each in a thread of its own, all let go together; answers the results."""
    with ThreadPoolExecutor(CROWD) as pool:

        def run(acts):
            gate = threading.Barrier(len(acts))

            def one(act):
                gate.wait()
                return attempt(app, act)

            return list(pool.map(one, acts))

        yield run


@pytest.fixture
def processes(app):
    """processes(acts, rounds, between) has one process for each act do it once a round."""

    def run(acts, rounds, between):
        db.session.remove()
        db.engine.dispose()
        fork = multiprocessing.get_context("fork")
        gate, results = fork.Barrier(len(acts) + 1), fork.SimpleQueue()
        crowd = [fork.Process(target=_do, args=(app, act, rounds, gate, results)) for act in acts]
        for process in crowd:
            process.start()
        try:
            for number in range(rounds):
                gate.wait(60)
                between(number, [results.get() for _ in acts])
        except BaseException:
            gate.abort()  # nobody waits for a round that does not come
            raise
        finally:
            for process in crowd:
                process.join(60)
        assert not any(process.exitcode for process in crowd)

    return run


def _do(app, act, rounds, gate, results):
    for _ in range(rounds):
        gate.wait(60)
        result = attempt(app, act)
        results.put(type(result).__name__ if isinstance(result, Exception) else result)
