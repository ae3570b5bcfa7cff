"""A corner shop of 17 categories and 30 products with its real index, contexts of our own making, and a chat server."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from domain.context import CategoryEvidence, ContextStore, DomainContext
from domain.retrieval import IndexedProduct, RetrievalIndex, build_index
from domain.taxonomy import Node, Taxonomy
from prompts import Completion, Teacher, load_prompt
from prompts.completion import to_line
from prompts.teacher import Catalogue, Question

TREE = """
food - Food
dairy food Dairy
milk dairy Milk
yogurt dairy Yogurt
cheese dairy Cheese
snacks food Snacks
bars snacks Protein Bars
chips snacks Potato Chips
meat food Meat
chicken meat Chicken
beef meat Beef
drinks - Drinks
soda drinks Soda
ale soda Ginger Ale
juice drinks Juice
pet - Pet Supplies
dogfood pet Dog Food
"""
PRODUCTS = """
milk Alm: Whole milk 1 l | 1% milk 1 l | Skim milk half gallon | Lactose free milk
yogurt Alm: Greek yogurt plain | Strawberry yogurt cup | Vanilla yogurt
cheese Alm: Cheddar cheese block | Sliced swiss cheese | Cream cheese spread
bars Crunch: Protein bar chocolate | Protein bar peanut butter | Protein cookie
chips Crunch: Salted potato chips | Barbecue potato chips | Kettle chips party bag
chicken Farmer: Chicken breast | Whole roast chicken | Chicken wings
beef Farmer: Ground beef | Beef steak ribeye
soda Fizz: Cola can | Lemon lime soda | Orange soda party bottle
ale Vernors: Vernors ginger ale | Diet ginger ale
juice Sunny: Orange juice | Apple juice box
dogfood Rex: Dry dog food chicken | Puppy food
"""


@dataclass(frozen=True, kw_only=True)
class Corner:
    """The shop, with as many teachers as a test needs."""

    taxonomy: Taxonomy
    index: RetrievalIndex
    catalogue: Catalogue
    folder: Path

    def store(self, contexts: Iterable[DomainContext]) -> ContextStore:
        path = self.folder / f"context{len(list(self.folder.iterdir()))}.parquet"
        pl.DataFrame([asdict(context) for context in contexts], schema=SCHEMA).write_parquet(path)
        return ContextStore(path)

    def teacher(
        self,
        contexts: Iterable[DomainContext] | None = (),
        *,
        titles: Mapping[str, str] | None = None,
        products: dict[str, int] | None = None,
        taxonomy: Taxonomy | None = None,
        name: str = "corner",
        model: str = "openai/local",
        prompts: Sequence[str] = ("understand@1",),
        **more: Any,
    ) -> Teacher:
        return Teacher(
            shop=name,
            locale="en-US",
            model=model,
            prompts=[load_prompt(prompt) for prompt in prompts],
            taxonomy=taxonomy or self.taxonomy,
            catalogue=Catalogue(
                titles=self.catalogue.titles | dict(titles or {}),
                products=self.catalogue.products if products is None else products,
            ),
            index=self.index,
            contexts=None if contexts is None else self.store(contexts),
            **more,
        )


def _struct(**fields: Any) -> pl.List:
    return pl.List(pl.Struct(fields))


SCHEMA = {
    "query": pl.String,
    "searches": pl.Int64,
    "clients": pl.Int64,
    "tier": pl.String,
    "share": pl.Float64,
    "zero_share": pl.Float64,
    "acted_share": pl.Float64,
    "categories": _struct(
        category_id=pl.String,
        level=pl.Int32,
        is_own=pl.Boolean,
        share=pl.Float64,
        score=pl.Float64,
        **dict.fromkeys(("events", "clicks", "carts", "purchases", "clients"), pl.Int64),
    ),
    "products": _struct(product_id=pl.String, share=pl.Float64, events=pl.Int64),
    "annotations": _struct(name=pl.String, value=pl.String, share=pl.Float64, lift=pl.Float64, events=pl.Int64),
    "next_queries": _struct(query=pl.String, count=pl.Int64, npmi=pl.Float64),
    "reformulations": _struct(query=pl.String, count=pl.Int64),
}


@pytest.fixture(scope="session")
def corner(encoder_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Corner:
    nodes = [line.split(" ", 2) for line in TREE.strip().splitlines()]
    taxonomy = Taxonomy(Node(category_id=i, parent_id=None if p == "-" else p, name=n) for i, p, n in nodes)
    products: list[IndexedProduct] = []
    for line in PRODUCTS.strip().splitlines():
        head, _, titles = line.partition(": ")
        category_id, brand = head.split()
        for title in titles.split(" | "):
            products.append(
                IndexedProduct(product_id=f"p{len(products)}", title=title, brand=brand, category_id=category_id)
            )
    counts: Counter[str] = Counter(above for p in products for above in taxonomy.lineage(p.category_id))
    folder = tmp_path_factory.mktemp("corner")
    build_index(folder / "index", taxonomy=taxonomy, products=products, encoder=encoder_folder, locale="en-US")
    return Corner(
        taxonomy=taxonomy,
        index=RetrievalIndex(folder / "index"),
        catalogue=Catalogue(titles={p.product_id: p.title for p in products}, products=dict(counts)),
        folder=tmp_path_factory.mktemp("contexts"),
    )


MakeContext = Callable[..., DomainContext]


@pytest.fixture(scope="session")
def make_context() -> MakeContext:
    """A query of ten searches by eight shoppers; demand is given as category id -> share."""

    def make(query: str, demand: Mapping[str, float] | None = None, **more: Any) -> DomainContext:
        categories = tuple(
            CategoryEvidence(
                category_id=category_id,
                level=2,
                is_own=True,
                share=share,
                score=share,
                events=9,
                clicks=5,
                carts=3,
                purchases=1,
                clients=4,
            )
            for category_id, share in (demand or {}).items()
        )
        usual: dict[str, Any] = {
            "searches": 10,
            "clients": 8,
            "tier": "head",
            "share": 0.1,
            "zero_share": None,
            "acted_share": 0.5,
            "categories": categories,
        }
        return DomainContext(query=query, **(usual | more))

    return make


class Answers:
    """Answers to the prompt as a model writes them, by default one that says nothing."""

    def text(self, **fields: Any) -> str:
        usual = {"need": "A need.", "spelling": None, "specificity": "category"}
        return json.dumps(usual | {"categories": [], "annotations": [], "rewrites": []} | fields)


@pytest.fixture(scope="session")
def answer() -> Answers:
    return Answers()


@pytest.fixture
def record(tmp_path: Path) -> Callable[..., Path]:
    """Write a recording of (key, content) pairs."""

    def write(pairs: Iterable[tuple[str, str]], *, model: str = "openai/local", name: str = "run.jsonl") -> Path:
        completions = [Completion(key=key, content=content, model=model) for key, content in pairs]
        path = tmp_path / name
        path.write_bytes(b"".join(json.dumps(to_line(c)).encode() + b"\n" for c in completions))
        return path

    return write


def user_message(question: Question) -> str:
    """The text that is delivered to the model."""
    [part] = question.parts
    [system, user] = part.request.messages
    assert (system["role"], user["role"]) == ("system", "user")
    return user["content"]


@pytest.fixture(scope="session")
def delivered() -> Callable[[Question], str]:
    return user_message


@dataclass
class Reply:
    """What the server sends: a status and a body, bytes as they are."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def said(content: str | None, usage: Mapping[str, Any] | None = None, *, finish: str = "stop", **more: Any) -> Reply:
    message = {"role": "assistant", "content": content} | more
    body = {"id": "x", "object": "chat.completion", "created": 1, "model": "local"}
    body |= {"choices": [{"index": 0, "message": message, "finish_reason": finish}]}
    return Reply(body | ({"usage": dict(usage)} if usage else {}))


@dataclass
class ChatServer:
    """An OpenAI-compatible server on 127.0.0.1. `respond` gets the body of each request and its number, from 0."""

    url: str = ""
    respond: Callable[[dict[str, Any], int], Reply] = lambda body, number: said("{}")
    delay: float = 0.0
    requests: list[dict[str, Any]] = field(default_factory=list)
    paths: set[str] = field(default_factory=set)
    most_in_flight: int = 0
    _in_flight: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    said = staticmethod(said)
    reply = staticmethod(Reply)

    def handle(self, path: str, body: dict[str, Any]) -> Reply:
        with self._lock:
            number = len(self.requests)
            self.requests.append(body)
            self.paths.add(path)
            self._in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self._in_flight)
        try:
            time.sleep(self.delay)
            return self.respond(body, number)
        finally:
            with self._lock:
                self._in_flight -= 1


@pytest.fixture
def chat_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    chat = ChatServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            reply = chat.handle(self.path, body)
            data = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            self.send_response(reply.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    chat.url = f"http://127.0.0.1:{server.server_port}/v1"
    yield chat
    server.shutdown()
    server.server_close()
    thread.join()
