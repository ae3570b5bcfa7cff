"""Which items of a shop are judged, and what there is to show of them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from domain.catalogue import Product
from domain.context import ContextStore
from domain.discovery.content import read_contents
from domain.errors import UserError
from domain.judgements import Judgement, Pair, RejectedJudgement, read_judgements, read_pairs
from domain.label import read_labels
from domain.privacy import region_of
from domain.retrieval import RetrievalIndex
from domain.shop import Shop
from domain.text import normalise
from domain.understanding import Understanding
from domain.verdict import JudgeTask
from prompts.judge import Exhibit, Goods
from querywise.gold import gold_of
from querywise.refused import show_refused
from querywise.understand import open_current, read_queries

__all__ = ["Chosen", "choose_items"]


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The items, the normal forms of the shop's brands, and how many rows of judgements were left out, by flaw."""

    exhibits: tuple[Exhibit, ...]
    brands: frozenset[str]
    left_out: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, kw_only=True)
class _Answered:
    answer: Understanding
    searches: int


def choose_items(
    shop: Shop,
    task: JudgeTask,
    *,
    sample: int | None = None,
    queries: Path | None = None,
    pairs: Path | None = None,
    seed: int = 0,
) -> Chosen:
    """Return what is judged.

    Of relevance, the pairs of the shop's judgements, or of a file in their place; of any other task, that part of the
    answers to the shop's labelled queries: of its labels, or where there are none of the head answers of the current
    release.

    Args:
        shop: The shop.
        task: The task.
        sample: Take so many only: of relevance pairs drawn at random, of other tasks queries drawn by their searches
            from all that have an answer.
        queries: Take only queries of this file.
        pairs: The file of pairs, of which every row has to be usable; of relevance only.
        seed: Of the sample.

    Raises:
        UserError: when there is nothing to judge, or the file of pairs cannot be used.
    """
    if pairs and task != "relevance":
        raise UserError(f"pairs of query and product are no {task}", hint="--pairs goes with --task relevance")
    path = shop.need_products()
    wanted = {normalise(query) for query in read_queries(queries)} if queries else None
    left_out: Counter[str] = Counter()
    if task == "relevance":
        known = set(pl.read_parquet(path, columns=["product_id"])["product_id"])
        given = _given_pairs(shop, pairs, known) if pairs else _rated_pairs(shop, known, left_out)
        given = [pair for pair in given if wanted is None or pair.query in wanted]
        if sample is not None and sample < len(given):
            drawn = random.Random(seed).sample(range(len(given)), sample)
            given = [given[place] for place in sorted(drawn)]
        products = _products(path, {pair.product_id for pair in given})
        goods = Goods(products, shop.load_taxonomy())
        exhibits = [goods.product(pair.query, pair.product_id) for pair in given]
    else:
        answers = _answers(shop)
        if task in ("substitute", "complement"):
            answers = _with_contents(shop, answers)
        if sample is None and wanted is None:
            wanted = _gold_queries(shop)
        answers = [a for a in answers if wanted is None or a.answer.normalized in wanted]
        if sample is not None:
            answers = _drawn(answers, sample, seed)
        goods = _goods(shop, path, task)
        exhibits = [exhibit for a in answers for exhibit in goods.parts(task, a.answer)]
    if not exhibits:
        raise UserError(
            f"there is no {task} to judge", hint="the queries have no such answer; --sample and --queries choose others"
        )
    brands = pl.read_parquet(path, columns=["brand"])["brand"].drop_nulls().unique()
    return Chosen(exhibits=tuple(exhibits), brands=frozenset(map(normalise, brands)) - {""}, left_out=left_out)


def _given_pairs(shop: Shop, path: Path, known: Collection[str]) -> Sequence[Pair]:
    return read_pairs(path, known, region=region_of(shop.config.locale))


def _rated_pairs(shop: Shop, known: Collection[str], left_out: Counter[str]) -> Sequence[Pair]:
    """Return each rated pair once, in the order of the files, and say which queries no model is asked about."""
    rated: list[Judgement] = []
    refused: list[str] = []
    columns, region = shop.config.columns.get("judgements"), region_of(shop.config.locale)
    for path in shop.need("judgements"):
        rejected: list[RejectedJudgement] = []
        rated += read_judgements(path, known, columns=columns, region=region, reject=rejected.append)
        left_out.update(row.flaw for row in rejected)
        refused += [f"{path}, line {row.line}" for row in rejected if row.flaw == "personal_data"]
    show_refused(refused)
    return list(dict.fromkeys(Pair(query=one.query, product_id=one.product_id) for one in rated))


def _goods(shop: Shop, path: Path, task: JudgeTask) -> Goods:
    taxonomy = shop.load_taxonomy()
    if task != "rewrite":
        return Goods(_products(path), taxonomy)
    index = RetrievalIndex(shop.index)
    return Goods({}, taxonomy, finds=lambda query: index.finds(query, taxonomy))


def _products(path: Path, wanted: Collection[str] | None = None) -> dict[str, Product]:
    rows = pl.scan_parquet(path)
    if wanted is not None:
        rows = rows.filter(pl.col("product_id").is_in(list(wanted)))
    return {row["product_id"]: Product(**row) for row in rows.collect().iter_rows(named=True)}


def _answers(shop: Shop) -> list[_Answered]:
    if shop.labels_file.is_file():
        return [
            _Answered(answer=label.understanding, searches=label.searches) for label in read_labels(shop.labels_file)
        ]
    contexts = list(ContextStore(shop.context_file).of_tiers("head", "torso", "tail"))
    with open_current(shop.folder, shop.work) as release:
        answers = release.understand([context.query for context in contexts])
    return [
        _Answered(answer=answer, searches=context.searches)
        for answer, context in zip(answers, contexts, strict=True)
        if answer.source == "head"
    ]


def _with_contents(shop: Shop, answers: Sequence[_Answered]) -> list[_Answered]:
    """Return answers with the discovery content that stands for them, whole: labels hold ideas, not what they show."""
    if not shop.content_file.is_file():
        return list(answers)
    contents = {content.query: content for content in read_contents(shop.content_file)}
    return [
        replace(one, answer=replace(one.answer, substitutes=found.substitutes, complements=found.complements))
        if (found := contents.get(one.answer.normalized))
        else one
        for one in answers
    ]


def _gold_queries(shop: Shop) -> set[str]:
    found = gold_of(shop, None, shop.load_taxonomy())
    if found is None:
        raise UserError("the shop has no labelled queries", hint="pass --sample N or --queries FILE")
    return {case.normalized for case in found.cases}


def _drawn(answers: Sequence[_Answered], count: int, seed: int) -> list[_Answered]:
    """Draw without replacement by searches (Efraimidis, Spirakis 2006), in the order given."""
    rng = random.Random(seed)
    keyed = sorted(((rng.random() ** (1 / a.searches), place) for place, a in enumerate(answers)), reverse=True)
    return [answers[place] for place in sorted(place for _, place in keyed[:count])]
