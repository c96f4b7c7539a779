# The site in a container: see compose.yaml for what stands around it, and docs/operations.md.
FROM python:3.11.14-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /srv/doorstep
RUN python -m venv /opt/venv
COPY requirements.txt .
RUN /opt/venv/bin/pip install --require-hashes -r requirements.txt
COPY . .
RUN /opt/venv/bin/pybabel compile -d translations \
    && python -m compileall -q .

FROM python:3.11.14-slim-bookworm
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    APP_ENV=production \
    INSTANCE_DIR=/var/lib/doorstep \
    PORT=5000
RUN useradd --system --uid 10001 --user-group --no-create-home doorstep \
    && install -d -o doorstep -g doorstep -m 0700 /var/lib/doorstep
COPY --from=build /opt/venv /opt/venv
COPY --from=build /srv/doorstep /srv/doorstep
WORKDIR /srv/doorstep
USER 10001
VOLUME /var/lib/doorstep
EXPOSE 5000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:5000/healthz', timeout=4)"]
CMD ["gunicorn", "--bind", "0.0.0.0:5000"]
