"""How gunicorn serves Doorstep. WEB_CONCURRENCY sets the number of processes (one by default)."""

import os
import resource
import shutil
import signal
import tempfile

wsgi_app = "app:create_app()"
bind = f"127.0.0.1:{os.environ.get('PORT') or 5000}"
worker_class = "gthread"
# Each open page has a thread, which sleeps; and how many pages are made at once, the site sees to itself.
threads = int(os.environ.get("LIVE_STREAMS") or 1000) + 32
worker_connections = threads + 1000
# A proxy keeps connections for a minute, and must be the first to close them: a form that it sends on one that
# is closed just then is lost.
keepalive = 65
# Each connection is an open file, and systems allow a process a thousand unless it asks for more.
_allowed, _most = resource.getrlimit(resource.RLIMIT_NOFILE)
_wanted = worker_connections + 500
if _allowed < _wanted:
    resource.setrlimit(resource.RLIMIT_NOFILE, (_wanted if _most < 0 else min(_wanted, _most), _most))
# After SIGTERM a process gets this many seconds: requests that are under way the first few of them,
# and what it does by itself, such as sending a mail, all.
graceful_timeout = 9
SECONDS_FOR_REQUESTS = 3
LEAVING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
# Workers show that they live by touching a file of their own, which must not wait for a disk.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # nosec B108
# Otherwise gunicorn writes a socket under the home directory.
control_socket_disable = True
# Processes count what they do into files (see metrics.py), so that whichever is asked tells of all.
_alone = int(os.environ.get("WEB_CONCURRENCY") or 1) == 1
if not _alone:
    os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", tempfile.mkdtemp(prefix="doorstep-metrics-"))


def when_ready(server):
    host, port = server.LISTENERS[0].getsockname()[:2]
    print(f"\nDoorstep is at http://{host}:{port} (stop it with Ctrl-C)\n", flush=True)


def post_worker_init(worker):
    import jobs
    import live
    import mail

    worker.cfg.set("graceful_timeout", SECONDS_FOR_REQUESTS)
    # The timetable is the first to end: another process waits for it, and a mail may take its time.
    begin = [jobs.start] if worker.wsgi.config["SETTINGS"].scheduler == "web" else []
    begin += [mail.start, live.start]
    worker.by_itself = [start(worker.wsgi) for start in begin]
    _tell_at_once(worker)


def child_exit(server, worker):
    if not _alone:
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(worker.pid)


def on_exit(server):
    if not _alone:
        shutil.rmtree(os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)


def worker_exit(server, worker):
    _hear_no_more()
    for one in getattr(worker, "by_itself", ()):
        one.stop()


def _tell_at_once(worker):
    """What the process does by itself hears of a signal to leave when the requests do, not after them."""
    for number in LEAVING:
        signal.signal(number, _first(worker, signal.getsignal(number)))


def _first(worker, handle):
    def leave(*arguments):
        # Ctrl-C comes twice, from the terminal and from the master, and the second would wait forever
        # for a lock that the first holds.
        _hear_no_more()
        for one in worker.by_itself:
            one.stop(0)
        handle(*arguments)

    return leave


def _hear_no_more():
    for number in LEAVING:
        # Not SIG_IGN: of one that came at the same time Python would write a traceback.
        signal.signal(number, lambda *_: None)
