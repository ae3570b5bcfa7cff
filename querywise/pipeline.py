"""The stages in order. Each is skipped when nothing it reads has changed since it last finished."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from domain.context import ContextStore
from domain.discovery.content import read_contents
from domain.errors import StageMissing, UserError
from domain.evidence import ContextReport, ContextSettings, compute_context
from domain.ingest import ingest
from domain.label import Label, read_labels
from domain.retrieval import IndexedProduct, RetrievalIndex, build_index
from domain.shop import Kind, Shop
from domain.taxonomy import Taxonomy
from domain.withheld import read_withheld, withheld_digest, withheld_file, withhold
from prompts import Teacher, load_prompt
from prompts.examples import ExampleBank, read_examples
from prompts.teacher import Catalogue
from querywise.content import VERSION as CONTENT_VERSION
from querywise.content import make_contents, match_of
from querywise.expected import VERSION as EXPECTED_VERSION
from querywise.expected import known_of
from querywise.marks import begin, digest, done, inputs_of, is_done, report_of
from querywise.quality import VERSION as QUALITY_VERSION
from querywise.quality import compute_quality
from querywise.queries import Addition
from querywise.why import VERSION as WHY_VERSION
from querywise.why import days_of, whys
from release import build_release, list_releases
from release.cards import CatalogueProduct
from release.expected import Known
from release.match import ABOUT as MATCH
from release.match import is_there
from release.product_table import VERSION as PRODUCTS_VERSION
from release.quality import ProductQualities
from release.student import Student
from release.why import Why

__all__ = [
    "Built",
    "context_fingerprint",
    "decided_by",
    "decides",
    "fingerprints",
    "has_ideas",
    "label_inputs",
    "labels_stand",
    "make_content",
    "make_context",
    "make_index",
    "make_ingest",
    "make_release",
    "mark_labels",
    "mark_release",
    "open_teacher",
    "require_index",
    "standing_release",
]

Progress = Callable[[str], None]


def make_ingest(shop: Shop, progress: Progress, *, force: bool = False) -> dict[str, Any]:
    """Load the shop folder; return the report of the load that stands."""
    kinds: tuple[Kind, ...] = ("taxonomy", "products", "queries", "events")
    paths = [shop.folder / "shop.toml", *(path for kind in kinds for path in shop.files(kind))]
    stats = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    later = ("llm", "discovery")  # what is set there decides nothing here
    inputs = digest(stats, {name: value for name, value in asdict(shop.config).items() if name not in later})
    if force or not is_done(shop, "ingest", inputs) or not (shop.warehouse / "ingest.json").is_file():
        begin(shop, "ingest")
        ingest(shop, progress=progress)
        done(shop, "ingest", inputs, {})
    report: dict[str, Any] = json.loads((shop.warehouse / "ingest.json").read_text())
    return report


def fingerprints(shop: Shop) -> dict[str, str]:
    """Return the fingerprints of what was ingested: of the catalogue, and of all of the shop."""
    path = shop.warehouse / "ingest.json"
    if not path.is_file():
        raise StageMissing(f"{path} is not there", hint=f"run `querywise ingest {shop.folder}` first")
    found: dict[str, str] = json.loads(path.read_text())["fingerprints"]
    return found


def _settings(shop: Shop) -> ContextSettings:
    return ContextSettings(head_share=shop.config.head_share, torso_share=shop.config.torso_share)


def context_fingerprint(shop: Shop) -> str:
    """Return the digest of everything that decides the contexts."""
    return digest(fingerprints(shop)["shop"], asdict(_settings(shop)), shop.config.weights, shop.config.internal)


def make_context(shop: Shop, progress: Progress, *, force: bool = False) -> dict[str, Any]:
    """Compute the domain context; return its report."""
    inputs = context_fingerprint(shop)
    if force or not is_done(shop, "context", inputs) or not shop.context_file.is_file():
        begin(shop, "context")
        report: ContextReport = compute_context(
            shop.warehouse,
            shop.context_file,
            settings=_settings(shop),
            weights=shop.config.weights,
            internal=shop.config.internal,
            progress=progress,
        )
        done(shop, "context", inputs, asdict(report))
    return report_of(shop, "context")


def make_index(shop: Shop, progress: Progress, *, force: bool = False) -> dict[str, Any]:
    """Build the retrieval index, and before it the encoder where it is not there yet."""
    inputs = _index_inputs(shop)
    if force or not is_done(shop, "index", inputs) or not (shop.index / "about.json").is_file():
        begin(shop, "index")
        encoder = shop.work / "encoder"
        if not encoder.is_dir():
            progress("encoder")
            _export_encoder(encoder)
        taxonomy = shop.load_taxonomy()
        columns = pl.read_parquet(shop.need_products()).select("product_id", "title", "brand", "category_id")
        products = [IndexedProduct(**row) for row in columns.iter_rows(named=True)]
        build_index(
            shop.index,
            taxonomy=taxonomy,
            products=products,
            encoder=encoder,
            locale=shop.config.locale,
            progress=progress,
        )
        done(shop, "index", inputs, {"categories": len(taxonomy), "products": len(products)})
    return report_of(shop, "index")


def _index_inputs(shop: Shop) -> str:
    """Return the digest of everything that decides the index: whose rows are the products', in their order."""
    ids = pl.read_parquet(shop.need_products(), columns=["product_id"])["product_id"]
    rows = hashlib.sha256("\n".join(ids).encode()).hexdigest()
    return digest(fingerprints(shop)["catalogue"], rows, shop.config.locale)


def require_index(shop: Shop) -> None:
    """Make sure that the index is of the catalogue that was ingested, row by row.

    Raises:
        StageMissing: when it is not.
    """
    if not is_done(shop, "index", _index_inputs(shop)):
        raise StageMissing(
            "the retrieval index is of another catalogue", hint=f"run `querywise index {shop.folder}` first"
        )


def _export_encoder(folder: Path) -> None:
    try:
        from distill.encoder import export_encoder
    except ImportError as error:
        raise UserError(
            f"exporting the sentence encoder needs {error.name}", hint="pip install 'querywise[distill]'"
        ) from error
    export_encoder(folder)


def open_teacher(
    shop: Shop, *, model: str, prompt: str, with_context: bool = True, api_base: str = "", nonce: str = ""
) -> Teacher:
    """Return the teacher of a shop; `prompt` names one prompt, or several with commas between.

    Raises:
        PromptError: when there is no such prompt, or two of them ask for the same.
        StageMissing: when the shop was not ingested, or has no contexts or no index.
    """
    taxonomy, index = shop.load_taxonomy(), RetrievalIndex(shop.index)
    return Teacher(
        shop=shop.config.name,
        locale=shop.config.locale,
        model=model,
        prompts=[load_prompt(name.strip()) for name in prompt.split(",")],
        taxonomy=taxonomy,
        catalogue=_catalogue(shop, taxonomy),
        index=index,
        contexts=ContextStore(shop.context_file) if with_context else None,
        examples=ExampleBank(read_examples(shop.examples), index) if shop.examples.is_file() else None,
        api_base=api_base,
        nonce=nonce,
    )


def _catalogue(shop: Shop, taxonomy: Taxonomy) -> Catalogue:
    products = pl.read_parquet(shop.need_products(), columns=["product_id", "title", "category_id"])
    counts: Counter[str] = Counter()
    for category_id, count in products["category_id"].value_counts().iter_rows():
        counts.update(dict.fromkeys(taxonomy.lineage(category_id), count))
    return Catalogue(titles=dict(products.select("product_id", "title").iter_rows()), products=dict(counts))


def label_inputs(shop: Shop, *, model: str, prompt: str, tiers: str, addition: Addition | None = None) -> str:
    """Return the digest of everything that decides the labels; recordings, examples and files by content."""
    kind, _, path = model.partition(":")
    recording = hashlib.sha256(Path(path).read_bytes()).hexdigest() if kind == "recorded" else ""
    index = inputs_of(shop, "index")
    prompts = [load_prompt(name.strip()) for name in prompt.split(",")]
    shown = shop.examples.is_file() and any("examples" in one.placeholders for one in prompts)
    examples = [hashlib.sha256(shop.examples.read_bytes()).hexdigest()] if shown else []
    named = [one.id for one in prompts]
    # Named, so that no examples are taken for it; absent where nothing was added, as it was before anything could be.
    added = [{"added": addition.inputs}] if addition and addition.inputs else []
    distance = shop.config.llm.relabel_distance
    return digest(model, recording, named, tiers, context_fingerprint(shop), index, distance, *examples, *added)


def labels_stand(shop: Shop, inputs: str) -> bool:
    """Whether every query was labelled from these inputs."""
    return is_done(shop, "label", inputs) and shop.labels_file.is_file()


def make_content(shop: Shop, progress: Progress, *, force: bool = False) -> dict[str, Any]:
    """Find what the shop can show of the ideas of its labels; return the report, empty where no label has any ideas.

    Raises:
        StageMissing: when there are no labels, or no index of this catalogue.
        ShopError: when the shop's file of complements cannot be read.
    """
    if not has_ideas(shop):
        begin(shop, "content")
        shop.content_file.unlink(missing_ok=True)
        return {}
    inputs = _content_inputs(shop)
    if force or not is_done(shop, "content", inputs) or not shop.content_file.is_file():
        require_index(shop)
        begin(shop, "content")
        report = make_contents(
            shop,
            read_labels(shop.labels_file),
            shop.content_file,
            match=match_of(shop),
            tell=lambda done: progress(f"{done:,} queries"),
        )
        done(shop, "content", inputs, asdict(report))
    return report_of(shop, "content")


def has_ideas(shop: Shop) -> bool:
    """Whether anybody was asked what else to show."""
    return shop.labels_file.is_file() and any(label.ideas is not None for label in read_labels(shop.labels_file))


def _content_inputs(shop: Shop) -> str:
    """Return the digest of everything that decides the contents; the catalogue's stock is part of the context's."""
    filter_ = [shop.student / MATCH] if is_there(shop.student) else []
    files = (shop.labels_file, *shop.files("complements"), *filter_)
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
    block = shop.config.discovery.block
    return digest(*digests, context_fingerprint(shop), inputs_of(shop, "index"), block, CONTENT_VERSION)


def mark_labels(shop: Shop, inputs: str, departures: list[str]) -> None:
    """Note that every query has been labelled from these inputs, and which of them depart from their words."""
    done(shop, "label", inputs, {"departures": departures})


@dataclass(frozen=True, kw_only=True)
class Built:
    """A release of the labels that stand; ``inputs`` is the digest of everything it was made from."""

    folder: Path
    inputs: str


def standing_release(shop: Shop) -> Built | None:
    """Return the release of these labels, where one was built and decided on already, whether it is served or not.

    Raises:
        StageMissing: when there are no labels or no index.
        UserError: when the list of what is withheld is malformed.
    """
    made = str(report_of(shop, "release").get("release"))
    inputs = _release_inputs(shop)
    stands = is_done(shop, "release", inputs) and made in list_releases(shop.releases)
    return Built(folder=shop.releases / made, inputs=inputs) if stands else None


def make_release(shop: Shop) -> Built:
    """Build a release of the labels, less what is withheld; it is not served yet.

    Raises:
        StageMissing: when there are no labels or no index.
        UserError: when the list of what is withheld is malformed.
    """
    inputs, withheld = _release_inputs(shop), read_withheld(withheld_file(shop.work))
    listed = {"withheld": withheld_digest(withheld)} if withheld else {}
    taught, shown = shop.student.is_dir(), shop.content_file.is_file()
    folder = build_release(
        shop=shop.config.name,
        taxonomy=shop.load_taxonomy(),
        products=_products(shop),
        contents=read_contents(shop.content_file) if shown else None,
        labels=withhold(read_labels(shop.labels_file), withheld),
        fingerprints=fingerprints(shop) | {"context": context_fingerprint(shop)} | listed,
        # A student takes the place of retrieval, which is slower and less often right.
        index=None if taught else shop.index,
        student=shop.student if taught else None,
        quality=_qualities(shop) if taught else None,
        whys=_whys(shop),
        known=_known(shop, withhold(read_labels(shop.labels_file), withheld)),
        releases=shop.releases,
        created=datetime.now(UTC),
    )
    return Built(folder=folder, inputs=inputs)


def _known(shop: Shop, labels: Iterable[Label]) -> Known:
    taxonomy = shop.load_taxonomy()
    return known_of(
        dict(pl.read_parquet(shop.context_file, columns=["query", "searches"]).iter_rows()),
        labels,
        taxonomy,
        titles=pl.read_parquet(shop.need_products(), columns=["title"])["title"],
        student=Student(shop.student, taxonomy) if shop.student.is_dir() else None,
    )


def _whys(shop: Shop) -> Iterator[Why]:
    titles = pl.read_parquet(shop.need_products(), columns=["product_id", "title"])
    return whys(
        read_labels(shop.labels_file),
        ContextStore(shop.context_file).get,
        fingerprint=context_fingerprint(shop),
        titles=dict(titles.iter_rows()),
        days=days_of(shop.ledger),
    )


def _products(shop: Shop) -> Iterator[CatalogueProduct]:
    columns = ["product_id", "title", "brand", "price", "image_url", "category_id"]
    frame = pl.read_parquet(shop.need_products(), columns=columns)
    for row in frame.iter_rows(named=True):
        yield CatalogueProduct(**row, currency=shop.config.currency)


def _qualities(shop: Shop) -> ProductQualities:
    return compute_quality(
        shop.warehouse, settings=_settings(shop), weights=shop.config.weights, internal=shop.config.internal
    )


def mark_release(shop: Shop, built: Built, decided_by: str) -> None:
    """Note that a release was built, and decided on by what is said of it: see `decides`."""
    done(shop, "release", built.inputs, {"release": built.folder.name, "decided_by": decided_by})


def decided_by(shop: Shop) -> str | None:
    """Return by what the release that was built last was decided on; None where that is not known."""
    found: str | None = report_of(shop, "release").get("decided_by")
    return found


def decides(shop: Shop) -> str:
    """Return the digest of what a release is held against: the gates, and what people and judges say.

    Raises:
        ShopError: where a file is named and not there.
    """
    files = [shop.folder / "gates.toml", *shop.files("gold"), *shop.files("judgements")]
    files += sorted((shop.work / "verdicts").glob("*/*.jsonl"))
    return digest([hashlib.sha256(path.read_bytes()).hexdigest() for path in files if path.is_file()])


def _release_inputs(shop: Shop) -> str:
    if not shop.labels_file.is_file():
        raise StageMissing("there are no labels", hint=f"run `querywise label {shop.folder}` first")
    if not (shop.index / "about.json").is_file():
        raise StageMissing("there is no retrieval index", hint=f"run `querywise index {shop.folder}` first")
    labels = hashlib.sha256(shop.labels_file.read_bytes()).hexdigest()
    withheld = read_withheld(withheld_file(shop.work))
    # A release that was built when nothing could be withheld stands as long as nothing is.
    listed = [withheld_digest(withheld)] if withheld else []
    if shop.content_file.is_file():
        listed.append(hashlib.sha256(shop.content_file.read_bytes()).hexdigest())
    student = sorted(path for path in shop.student.glob("*") if path.is_file())
    taught = [hashlib.sha256(path.read_bytes()).hexdigest() for path in student]
    if taught:
        # The log and the settings of the qualities are those of the contexts.
        taught.append(f"quality {QUALITY_VERSION}")
    kept = f"why {WHY_VERSION} expected {EXPECTED_VERSION} products {PRODUCTS_VERSION}"
    # Prices are shown in it.
    currency = shop.config.currency
    return digest(labels, context_fingerprint(shop), inputs_of(shop, "index"), *listed, *taught, kept, currency)
