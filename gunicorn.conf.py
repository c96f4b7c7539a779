"""How gunicorn serves Doorstep. WEB_CONCURRENCY sets the number of processes (one by default)."""

import os

wsgi_app = "app:create_app()"
bind = f"127.0.0.1:{os.environ.get('PORT') or 5000}"
worker_class = "gthread"
threads = 8
# After SIGTERM, requests that are under way get this many seconds to finish.
graceful_timeout = 3
# Workers show that they live by touching a file, which must not wait for a disk.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None
# Otherwise gunicorn writes a socket under the home directory.
control_socket_disable = True


def when_ready(server):
    host, port = server.LISTENERS[0].getsockname()[:2]
    print(f"\nDoorstep is at http://{host}:{port} (stop it with Ctrl-C)\n", flush=True)


def post_worker_init(worker):
    import jobs

    worker.timetable = jobs.start(worker.wsgi)


def worker_exit(server, worker):
    timetable = getattr(worker, "timetable", None)
    if timetable:
        timetable.stop()
