# Every image of Viridian, one target each: operator, server, collector, dashboard, trainer, mlflow.
#
# BASE must have Python 3.11 and little else; BUILD_BASE the same Python in the same place, with pip and venv. A release
# names both by digest, and `make images RELEASE=1` refuses to build without one: docs/releasing.md.
# The secrets are optional: a certificate bundle (ca) and the settings for pip (pip) and uv (uv) of the computer that
# builds, for those behind a private authority or mirror. They are there during a command and never part of a layer.
ARG BASE=python:3.11-slim
ARG BUILD_BASE=${BASE}

FROM ${BUILD_BASE} AS tools
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_CONFIG_FILE=/run/secrets/pip
ENV UV_LINK_MODE=copy UV_NO_PROGRESS=1 UV_PYTHON_DOWNLOADS=never
WORKDIR /build
# uv installs in seconds what takes pip minutes. It does not read the settings of pip, so they come in a file of their own.
# What the lock does not pin goes: an environment may begin as that of another image with which it shares large libraries.
# Tests of the libraries stay outside: a seventh of an image. Bytecode only saves time, so what cannot be compiled stays as it is.
COPY locks/uv.txt locks/
RUN --mount=type=secret,id=pip --mount=type=secret,id=ca --mount=type=cache,target=/root/.cache/pip \
    python3 -m venv /opt/uv && /opt/uv/bin/python -m pip install --require-hashes -r locks/uv.txt \
    && printf '%s\n' '#!/bin/sh' 'set -ea' '[ ! -f /run/secrets/uv ] || . /run/secrets/uv' \
    '/opt/uv/bin/uv pip sync --python "$1" --require-hashes "$2"' \
    'cd "${1%/bin/python}/lib/python3.11/site-packages"' \
    'find . -type d -name tests -prune -exec rm -r {} +' \
    '"$1" -m compileall -q -j 0 . || true' > /opt/uv/install \
    && chmod +x /opt/uv/install
RUN python3 -m venv --without-pip /opt/viridian

FROM ${BASE} AS runtime
ENV PATH=/opt/viridian/bin:$PATH HOME=/tmp PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# Libraries that report to their makers by default do not do so from here.
ENV ORT_DISABLE_TELEMETRY=1 MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true
# A name for the user, since libraries look it up; manifests go by the number.
RUN echo 'viridian:x:65532:65532::/tmp:/usr/sbin/nologin' >> /etc/passwd && echo 'viridian:x:65532:' >> /etc/group
USER 65532:65532
WORKDIR /tmp

# The project itself, in a tree of its own: a change of source rebuilds this and the last layer of each image.
FROM tools AS project
COPY locks/build.txt locks/
RUN --mount=type=secret,id=uv --mount=type=secret,id=ca --mount=type=cache,target=/root/.cache/uv \
    python3 -m venv --without-pip /opt/build && /opt/uv/install /opt/build/bin/python locks/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY operator operator
RUN python3 -m pip --python /opt/build/bin/python wheel --no-deps --no-build-isolation --no-index --wheel-dir /build/wheels . \
    && python3 -m pip --python /opt/viridian/bin/python install --no-deps --no-index --prefix /app wheels/*.whl

FROM tools AS operator-dependencies
COPY locks/operator.txt locks/
RUN --mount=type=secret,id=uv --mount=type=secret,id=ca --mount=type=cache,target=/root/.cache/uv \
    /opt/uv/install /opt/viridian/bin/python locks/operator.txt

FROM runtime AS operator
COPY --from=operator-dependencies /opt/viridian /opt/viridian
COPY --from=project /app /opt/viridian
ENTRYPOINT ["viridian-operator"]

FROM tools AS server-dependencies
COPY locks/server.txt locks/
RUN --mount=type=secret,id=uv --mount=type=secret,id=ca --mount=type=cache,target=/root/.cache/uv \
    /opt/uv/install /opt/viridian/bin/python locks/server.txt

FROM runtime AS server
COPY --from=server-dependencies /opt/viridian /opt/viridian
COPY --from=project /app /opt/viridian
ENTRYPOINT ["viridian-server"]

FROM tools AS collector-dependencies
COPY locks/collector.txt locks/
RUN --mount=type=secret,id=uv --mount=type=secret,id=ca --mount=type=cache,target=/root/.cache/uv \
    /opt/uv/install /opt/viridian/bin/python locks/collector.txt

FROM runtime AS collector
COPY --from=collector-dependencies /opt/viridian /opt/viridian
COPY --from=project /app /opt/viridian
ENTRYPOINT ["viridian-collector"]

FROM tools AS dashboard-dependencies
COPY locks/dashboard.txt locks/
RUN --mount=type=secret,id=uv --mount=type=secret,id=ca --mount=type=cache,target=/root/.cache/uv \
    /opt/uv/install /opt/viridian/bin/python locks/dashboard.txt

FROM runtime AS dashboard
COPY --from=dashboard-dependencies /opt/viridian /opt/viridian
COPY --from=project /app /opt/viridian
ENTRYPOINT ["viridian-dashboard"]

FROM server-dependencies AS trainer-dependencies
COPY locks/trainer.txt locks/
RUN --mount=type=secret,id=uv --mount=type=secret,id=ca --mount=type=cache,target=/root/.cache/uv \
    /opt/uv/install /opt/viridian/bin/python locks/trainer.txt

FROM runtime AS trainer
COPY --from=trainer-dependencies /opt/viridian /opt/viridian
COPY --from=project /app /opt/viridian
# MLflow looks for a Git that these images do not have, and says so at length.
ENV GIT_PYTHON_REFRESH=quiet
ENTRYPOINT ["python"]

# A whole MLflow server, for the demo and the tests; it holds nothing of ours.
FROM trainer-dependencies AS mlflow-dependencies
COPY locks/mlflow.txt locks/
RUN --mount=type=secret,id=uv --mount=type=secret,id=ca --mount=type=cache,target=/root/.cache/uv \
    /opt/uv/install /opt/viridian/bin/python locks/mlflow.txt

FROM runtime AS mlflow
COPY --from=mlflow-dependencies /opt/viridian /opt/viridian
ENTRYPOINT ["mlflow"]
