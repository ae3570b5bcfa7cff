"""What `serve.py` compares the service with: each is what a team would write, with a response model and a usual store.

Run by serve.py: python -m benchmarks.serve_peers NAME PORT
"""

import dataclasses
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any


def application(name: str) -> Any:
    """Return one of the peers; runs in a process of its own."""
    from release import open_release

    with open_release(Path(os.environ["BENCHMARK_RELEASE"]), verify=False) as release:
        body = release.answer_bytes("Organic Apple Juice 0 ml")
    if name in ("bare", "granian-bare"):
        return _bare(body)
    if name == "starlette":
        return _starlette(body)
    return _fastapi(_lookup(name, body))


def _bare(body: bytes) -> Any:
    length = b"%d" % len(body)

    async def bare(scope: Any, receive: Any, send: Any) -> None:
        if scope["method"] == "POST":
            while (await receive()).get("more_body"):
                pass
        headers = [(b"content-type", b"application/json"), (b"content-length", length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return bare


def _starlette(body: bytes) -> Any:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    async def route(request: Request) -> Response:
        await request.body()
        return Response(body, media_type="application/json")

    return Starlette(routes=[Route("/v1/understand", route, methods=["GET", "POST"])])


def _lookup(name: str, body: bytes) -> Callable[[str], Awaitable[Any]]:
    """Return what finds the understanding of a normalised query."""
    from domain.understanding import understanding_adapter
    from release.answers import parse

    if name == "fastapi":
        answer = understanding_adapter.validate_json(body)

        async def constant(query: str) -> Any:
            return answer

        return constant
    if name == "redis":
        import redis.asyncio

        pool = redis.asyncio.BlockingConnectionPool.from_url(
            f"unix://{os.environ['BENCHMARK_REDIS']}", max_connections=32
        )
        client = redis.asyncio.Redis(connection_pool=pool)

        async def from_redis(query: str) -> Any:
            return parse(query, await client.get(query))

        return from_redis
    import diskcache

    cache = diskcache.Cache(os.environ["BENCHMARK_DISKCACHE"])

    async def from_disk(query: str) -> Any:
        return parse(query, cache.get(query.encode()))

    return from_disk


def _fastapi(look_up: Callable[[str], Awaitable[Any]]) -> Any:
    from fastapi import FastAPI
    from pydantic import BaseModel

    from domain import normalise
    from domain.understanding import Understanding

    class Body(BaseModel):
        query: str

    app = FastAPI()

    @app.get("/v1/understand")
    async def get(q: str) -> Understanding:
        return dataclasses.replace(await look_up(normalise(q)), query=q)

    @app.post("/v1/understand")
    async def post(asked: Body) -> Understanding:
        return dataclasses.replace(await look_up(normalise(asked.query)), query=asked.query)

    return app


def granian_querywise() -> Any:
    """Return the service, for granian."""
    from service.run import RELEASE_VARIABLE, app_from_environment

    os.environ[RELEASE_VARIABLE] = os.environ["BENCHMARK_RELEASE"]
    return app_from_environment()


def granian_bare() -> Any:
    """Return the bare application, for granian."""
    return application("granian-bare")


@contextmanager
def stores(release: Path, folder: Path, names: Sequence[str], redis_server: str | None) -> Iterator[None]:
    """Put the answers of a release into the stores of the peers, and run those that need to."""
    from release.head import HeadStore
    from release.manifest import HEAD

    head = HeadStore(release / HEAD)
    with ExitStack() as stack:
        if "diskcache" in names:
            os.environ["BENCHMARK_DISKCACHE"] = str(folder / "diskcache")
            _fill_diskcache(folder / "diskcache", head)
        if "redis" in names:
            if redis_server is None:
                raise SystemExit("redis-server is not installed: apt-get install redis-server")
            path = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "redis.sock"
            os.environ["BENCHMARK_REDIS"] = str(path)
            stack.enter_context(_redis(redis_server, path, head))
        yield


def _fill_diskcache(folder: Path, entries: Iterable[tuple[bytes, bytes]]) -> None:
    import diskcache

    with diskcache.Cache(folder, eviction_policy="none", size_limit=1 << 40) as cache:
        if not len(cache):
            with cache.transact():
                for key, value in entries:
                    cache.set(key, value)


@contextmanager
def _redis(program: str, path: Path, entries: Iterable[tuple[bytes, bytes]]) -> Iterator[None]:
    import redis

    beside = ["taskset", "-c", "1"] if (os.cpu_count() or 1) > 1 and shutil.which("taskset") else []
    options = ["--port", "0", "--unixsocket", str(path), "--save", "", "--appendonly", "no"]
    with subprocess.Popen([*beside, program, *options], stdout=subprocess.DEVNULL) as process:
        try:
            while not path.exists():
                if process.poll() is not None:
                    raise SystemExit("redis-server did not start")
                time.sleep(0.05)
            with redis.Redis(unix_socket_path=str(path)) as client:
                for some in _batches(iter(entries)):
                    with client.pipeline(transaction=False) as pipeline:
                        for key, value in some:
                            pipeline.set(key, value)
                        pipeline.execute()
            yield
        finally:
            process.terminate()


def _batches(entries: Iterator[tuple[bytes, bytes]]) -> Iterator[list[tuple[bytes, bytes]]]:
    while some := list(itertools.islice(entries, 5_000)):
        yield some


def main() -> None:
    import uvicorn

    name, port = sys.argv[1], int(sys.argv[2])
    quiet = {"log_level": "warning", "access_log": False, "proxy_headers": False, "server_header": False, "ws": "none"}
    lifespan: Any = "off" if name == "bare" else "on"
    uvicorn.run(application(name), port=port, http="httptools", loop="uvloop", lifespan=lifespan, **quiet)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
