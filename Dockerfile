# One image for every process; docker-compose.yml gives each its command.
FROM python:3.12-slim AS build
WORKDIR /srv/orchestra
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements.lock ./
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --require-hashes --no-deps -r requirements.lock
COPY . .
RUN ORCHESTRA_VAR=/tmp/build /opt/venv/bin/python manage.py collectstatic --noinput --verbosity 0 \
    && rm -rf /tmp/build tests

FROM python:3.12-slim
RUN groupadd --gid 10001 orchestra \
    && useradd --uid 10001 --gid orchestra --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin orchestra \
    && install -d -o orchestra -g orchestra -m 0700 /data
COPY --from=build /opt/venv /opt/venv
COPY --from=build /srv/orchestra /srv/orchestra
WORKDIR /srv/orchestra
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 ORCHESTRA_VAR=/data
USER orchestra
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
CMD ["python", "-m", "daphne", "--verbosity", "0", "-e", "tcp:port=8000:interface=0.0.0.0:backlog=2048", "orchestra.asgi:application"]
