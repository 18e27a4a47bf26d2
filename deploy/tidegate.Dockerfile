# The control plane alone: `tidegate serve`, in front of Tritons that run elsewhere.
# The build context is the top of the checkout. Everything compiled comes from wheels, which need
# no system package beyond the slim image's own.
ARG PYTHON_TAG=3.11-slim

FROM python:${PYTHON_TAG} AS build
WORKDIR /checkout
RUN python -m venv /opt/tidegate
COPY pyproject.toml README.md LICENSE requirements.lock ./
COPY control_plane control_plane
COPY cli cli
# The lock is a constraint and no list: it also names what embedded Tritons need.
RUN /opt/tidegate/bin/pip install --no-cache-dir --disable-pip-version-check \
        --only-binary=:all: --constraint requirements.lock .

FROM python:${PYTHON_TAG}
COPY --from=build /opt/tidegate /opt/tidegate
COPY deploy/probe.py /opt/tidegate/probe.py
# A named volume takes over the owner of the folder that it is mounted on.
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin tidegate \
    && install --directory --owner=10001 --group=10001 /var/lib/tidegate
ENV PATH=/opt/tidegate/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /var/lib/tidegate
EXPOSE 9000 9001
# Alive, and no more: an orchestrator that replaces what is unhealthy must not replace the control
# plane because a Triton is missing.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["/opt/tidegate/bin/python", "-I", "/opt/tidegate/probe.py", "http://127.0.0.1:9000/healthz"]
ENTRYPOINT ["tidegate"]
CMD ["serve"]
