# Five images: `docker build --target bot -t podline-bot .`, likewise controller, sandbox, runner and base.
# scripts/build-images makes them all; docs/images.md says what is in them and why.
ARG BASE_IMAGE=docker.io/library/python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b

FROM ${BASE_IMAGE} AS builder
# What a machine behind a proxy needs; neither this nor the secret `certificates` reaches the images.
ARG PIP_CERT
ARG PIP_INDEX_URL
ARG SSL_CERT_FILE
# Of Debian's tini 0.19.0-1+b3, by architecture. Whoever builds on another base names that one's.
ARG TINI_SHA256_amd64=3a809bd78682d860096f95718e77db0d3bb6d8e93c38135036d6c5b4e857d275
ARG TINI_SHA256_arm64=09ff331955a10c5b030f4d0aae3ce9c764437d368a7891fa0e3d8b1cd24e0279
COPY scripts/uv.txt /tmp/uv.txt
RUN --mount=type=secret,id=certificates \
    pip install --quiet --no-cache-dir --disable-pip-version-check --root-user-action=ignore \
        --require-hashes --only-binary :all: -r /tmp/uv.txt \
    && apt-get update -qq \
    && apt-get install -qq --yes --no-install-recommends tini > /dev/null \
    && eval "echo \"\$TINI_SHA256_$(dpkg --print-architecture)  /usr/bin/tini\"" | sha256sum --check --quiet \
    && groupadd --gid 10001 podline \
    && useradd --uid 10001 --gid 10001 --home-dir /tmp --no-create-home --shell /usr/sbin/nologin podline
ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_PROJECT_ENVIRONMENT=/opt/podline \
    UV_PYTHON_DOWNLOADS=never
WORKDIR /build
COPY pyproject.toml uv.lock ./

# Without our own code, which is a layer of its own: a change of it builds in seconds and is little to pull.
# What is left out or removed is what nothing imports; docs/images.md says how much it is.
FROM builder AS bot-packages
ARG SSL_CERT_FILE
RUN --mount=type=secret,id=certificates --mount=type=cache,target=/root/.cache/uv \
    uv sync --quiet --frozen --no-dev --no-install-project --extra bot \
        --no-install-package openai --no-install-package jiter \
        --no-install-package num2words --no-install-package docopt \
        --no-install-package httpx2 --no-install-package httpcore2 --no-install-package truststore \
    && cd /opt/podline/lib/python3*/site-packages \
    && find . -type d -name tests -prune -exec rm -r {} + \
    && find . -type f -name '*.pyi' -delete \
    && find pipecat/services -mindepth 1 -maxdepth 1 -type d ! -name google ! -name __pycache__ -exec rm -r {} + \
    && rm -rf pipecat/audio/turn/smart_turn/data pipecat/cli pipecat/evals numpy/distutils numpy/f2py \
        onnxruntime/capi/libonnxruntime.so* onnxruntime/quantization onnxruntime/tools onnxruntime/transformers \
    && rm /opt/podline/.lock

FROM builder AS controller-packages
ARG SSL_CERT_FILE
RUN --mount=type=secret,id=certificates --mount=type=cache,target=/root/.cache/uv \
    uv sync --quiet --frozen --no-dev --no-install-project --extra controller \
    && printf '%s\n' '#!/opt/podline/bin/python' 'from controller.__main__ import main' 'main()' > /opt/podline/bin/podline \
    && chmod 755 /opt/podline/bin/podline \
    && rm /opt/podline/.lock

FROM builder AS sandbox-packages
ARG SSL_CERT_FILE
RUN --mount=type=secret,id=certificates --mount=type=cache,target=/root/.cache/uv \
    uv sync --quiet --frozen --no-dev --no-install-project --extra sandbox \
    && rm /opt/podline/.lock

FROM ${BASE_IMAGE} AS code
WORKDIR /opt/podline/code
COPY bot bot
COPY controller controller
COPY podline podline
COPY sandbox sandbox
# Controller and sandbox need podline without what runs bots, which needs Pipecat. `python /podline` runs the runner:
# unlike PYTHONPATH, that leaves an image's own paths as they are.
RUN printf '%s\n' 'from podline.runner.__main__ import main' 'main()' > ../__main__.py \
    && python -m compileall -q . && chmod -R u=rwX,go=rX . ../__main__.py \
    && mkdir ../runner && cp -a podline ../__main__.py ../runner \
    && cp -a podline /opt/podline/podline && cd /opt/podline/podline \
    && rm -r gemini runner audibility.py end_call.py frames.py tool_calls.py voice.py

# What the three have in common. The public image has no bytecode of the standard library, and no user of ours
# could write any. This is the last RUN: what builds the rest stays behind.
FROM ${BASE_IMAGE} AS common
RUN python -m compileall -q \
    -x '/(dist-packages|ensurepip|idlelib|lib2to3|pydoc_data|site-packages|test|tests|tkinter|turtledemo)/' \
    "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
COPY --from=builder /etc/passwd /etc/group /etc/
COPY --from=builder /usr/bin/tini /usr/bin/tini
# HOME is the one place that a pod lets its user write to, where the root is read-only.
ENV HOME=/tmp \
    PATH=/opt/podline/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPATH=/opt/podline/code \
    PYTHONUNBUFFERED=1
WORKDIR /opt/podline/code

# USER comes last everywhere: Buildah would else make the folder that is copied into the user's own.
FROM common AS bot
COPY --from=bot-packages /opt/podline /opt/podline
COPY --from=code /opt/podline/code/podline podline
COPY --from=code /opt/podline/code/bot bot
USER 10001:10001
ENV PODLINE_BOT_FILE=/opt/podline/code/bot/bot.py
ENTRYPOINT ["tini", "--", "python", "-m", "podline.runner"]
ARG VERSION=unknown
ARG SOURCE=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="podline-bot" \
    org.opencontainers.image.description="A voice bot that holds one call and ends." \
    org.opencontainers.image.licenses="BSD-2-Clause" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.source="${SOURCE}" \
    org.opencontainers.image.revision="${REVISION}"

FROM common AS controller
COPY --from=controller-packages /opt/podline /opt/podline
COPY --from=code /opt/podline/podline podline
COPY --from=code /opt/podline/code/controller controller
COPY --from=code /opt/podline/code/bot/products.html bot/products.html
# Else glibc raises this threshold by itself and gives less memory back. Measured after a controller's first list of
# 10,000 Jobs: it keeps 4.4 KB for each session instead of 5.3.
ENV MALLOC_MMAP_THRESHOLD_=131072
USER 10001:10001
ENTRYPOINT ["tini", "--", "podline"]
CMD ["serve"]
ARG VERSION=unknown
ARG SOURCE=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="podline-controller" \
    org.opencontainers.image.description="Launches one voice bot for each session, follows it and keeps the record." \
    org.opencontainers.image.licenses="BSD-2-Clause" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.source="${SOURCE}" \
    org.opencontainers.image.revision="${REVISION}"

FROM common AS sandbox
COPY --from=sandbox-packages /opt/podline /opt/podline
COPY --from=code /opt/podline/podline podline
COPY --from=code /opt/podline/code/sandbox sandbox
USER 10001:10001
ENTRYPOINT ["tini", "--", "python", "-m", "sandbox"]
ARG VERSION=unknown
ARG SOURCE=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="podline-sandbox" \
    org.opencontainers.image.description="Stand-ins for the model, the product store and Daily, to try Podline with no account." \
    org.opencontainers.image.licenses="BSD-2-Clause" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.source="${SOURCE}" \
    org.opencontainers.image.revision="${REVISION}"

# Podline's own files and nothing else: a bot's Job copies them beside an agent that has an image of its own.
FROM ${BASE_IMAGE} AS runner
COPY --from=code /opt/podline/runner /podline
USER 10001:10001
# Bytecode is valid only while its source keeps its modification time.
ENTRYPOINT ["cp", "--recursive", "--preserve=timestamps", "/podline/__main__.py", "/podline/podline", "/copy"]
ARG VERSION=unknown
ARG SOURCE=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="podline-runner" \
    org.opencontainers.image.description="The runner that a bot's Job copies beside an agent's own image." \
    org.opencontainers.image.licenses="BSD-2-Clause" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.source="${SOURCE}" \
    org.opencontainers.image.revision="${REVISION}"

# To start an agent's image from, in place of Pipecat Cloud's base: Python, uv and /app, where bot.py belongs. Building
# on it needs root, so it names no user; pods run it as nobody in particular.
FROM ${BASE_IMAGE} AS base
COPY --from=builder /usr/local/bin/uv /usr/local/bin/uv
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_PYTHON_DOWNLOADS=never
WORKDIR /app
CMD ["python", "bot.py"]
ARG VERSION=unknown
ARG SOURCE=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="podline-base" \
    org.opencontainers.image.description="A base for images of agents: Python, uv and /app." \
    org.opencontainers.image.licenses="BSD-2-Clause" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.source="${SOURCE}" \
    org.opencontainers.image.revision="${REVISION}"
