# Serves a release, or the current one of a folder. The base install only: no LLM client and no torch come in.
#
#   docker build -t querywise .
#   docker run -p 8080:8080 -v "$PWD/.querywise/demo-grocery/releases:/release:ro" querywise
#
# With the release inside the image (its folder must lie under the build context):
#   docker build -t querywise:baked --target baked --build-arg RELEASE=.querywise/demo-grocery/releases/ID .

ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS build
WORKDIR /source
RUN python -m venv /opt/querywise
ENV PATH=/opt/querywise/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY domain domain
COPY prompts prompts
COPY release release
COPY distill distill
COPY evals evals
COPY service service
COPY querywise querywise
COPY demo demo
RUN pip install --constraint constraints.txt .

FROM python:${PYTHON}-slim AS runtime
RUN useradd --system --uid 10001 --no-create-home querywise
COPY --from=build /opt/querywise /opt/querywise
# What the workers share is in memory, which a container can write to even where its root is read-only.
ENV PATH=/opt/querywise/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 TMPDIR=/dev/shm
WORKDIR /
USER querywise
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/readyz', timeout=2)"]
# Balancers may send requests for some seconds after SIGTERM. Docker kills 10 s after it, Kubernetes 30 s.
CMD ["python", "-m", "service", "/release", "--host", "0.0.0.0", "--port", "8080", "--drain-seconds", "5"]

FROM runtime AS baked
ARG RELEASE
COPY ${RELEASE} /release

# The last stage is the one built by default: the release is mounted.
FROM runtime
