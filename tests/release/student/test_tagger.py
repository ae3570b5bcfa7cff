"""A tagger opens whole or not at all, marks the best spans, and takes any text."""

from __future__ import annotations

import itertools
import json
import random
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from distill.spans import SpanExample  # noqa: E402
from distill.tagger import train_tagger  # noqa: E402
from distill.tagger_export import export_tagger  # noqa: E402
from distill.tagger_network import TaggerRecipe  # noqa: E402
from domain.errors import ReleaseError  # noqa: E402
from domain.understanding import Annotation  # noqa: E402
from release.student.features import Features  # noqa: E402
from release.student.tagger import ABOUT, FILES, VALUES, Tagger  # noqa: E402
from release.student.tags import TypedSpan, best_tags, best_tags_of_one, spans_of  # noqa: E402
from release.student.word_features import GRAMS, OWN, PIECES, WordFeatures  # noqa: E402
from release.student.word_scores import WEIGHTS, WordScores, write_weights  # noqa: E402

# Tags: 0 none, 1 and 2 a product type, 3 and 4 a brand.
LESSONS = [
    (("acme", "milk"), (3, 1)),
    (("dairy", "dell", "milk"), (3, 4, 1)),
    (("acme", "green", "tea"), (3, 1, 2)),
    (("cheap", "milk"), (0, 1)),
]
ODD = [
    "",
    "milk",
    "\U0001f600" * 256,
    "\ud800",
    "\udcff milk \ud800\udc00",
    "a " * 128,
    "a" * 256,
    "milk " * 200,
    "  acme \t milk\n",
    "日本の緑茶 🍋",
    "\x00 \x01",
    "e\u0301" * 100,
]


def example(words: tuple[str, ...], tags: tuple[int, ...]) -> SpanExample:
    ends = list(itertools.accumulate(len(word) + 1 for word in words))
    places = tuple((end - len(word) - 1, end - 1) for word, end in zip(words, ends, strict=True))
    return SpanExample(query=" ".join(words), places=places, tags=tags)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tokenizers import Tokenizer, models, pre_tokenizers

    made = tmp_path_factory.mktemp("tagger")
    words = ["[UNK]", "milk", "tea", *"abcdefghijklmnopqrstuvwxyz"]
    vocabulary = {word: i for i, word in enumerate([*words, *(f"##{letter}" for letter in words[3:])])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(made / "tokenizer.json"))
    pieces = torch.randn(len(vocabulary), 8, generator=torch.Generator().manual_seed(0))
    recipe = TaggerRecipe(dimension=16, hidden=16, static=8, epochs=1, least=80, rate=0.02, dropout=0.1)
    trained = train_tagger(
        [example(*lesson) for lesson in LESSONS],
        WordFeatures(Features(made, bits=9), bits=8),
        pieces=pieces,
        recipe=recipe,
    )
    export_tagger(trained, made, {"brand": {"acme": "ACME", "dairy dell": "Dairy Dell"}})
    return made


@pytest.fixture(scope="module")
def tagger(folder: Path) -> Tagger:
    return Tagger(folder, Features(folder, bits=9))


@pytest.fixture
def damaged(folder: Path, tmp_path: Path) -> Path:
    """A copy to be damaged."""
    return Path(shutil.copytree(folder, tmp_path / "tagger"))


def test_spans_carry_their_place_their_type_and_the_shops_form(tagger: Tagger) -> None:
    [found] = tagger.tag(["dairy dell milk"])
    assert found == (
        Annotation(text="dairy dell", start=0, end=10, type="brand", value="Dairy Dell"),
        Annotation(text="milk", start=11, end=15, type="product_type", value="milk"),
    )


def test_what_was_taught_is_answered_alone_and_together(tagger: Tagger) -> None:
    queries = [" ".join(words) for words, _ in LESSONS]
    together = tagger.tag(queries)
    kinds = [[(a.text, a.type) for a in found] for found in together]
    assert kinds == [
        [("acme", "brand"), ("milk", "product_type")],
        [("dairy dell", "brand"), ("milk", "product_type")],
        [("acme", "brand"), ("green tea", "product_type")],
        [("milk", "product_type")],
    ]
    assert [tagger.tag([query])[0] for query in queries] == together
    assert tagger.tag(2 * queries) == 2 * together  # so many are no longer tagged one by one


def test_no_text_makes_it_raise(tagger: Tagger) -> None:
    together = tagger.tag(ODD)
    assert together == [tagger.tag([query])[0] for query in ODD]
    for query, found in zip(ODD, together, strict=True):
        assert all(a.text == query[a.start : a.end] and a.text == a.text.strip() for a in found)
        assert all(one.end < other.start for one, other in itertools.pairwise(found))
    assert tagger.tag([]) == []
    assert tagger.tag(["", " \t"]) == [(), ()]


def test_only_256_characters_are_read(tagger: Tagger) -> None:
    [found] = tagger.tag(["milk " * 60])
    assert found
    assert max(a.end for a in found) <= 256


def test_many_long_queries_are_asked_in_portions(tagger: Tagger) -> None:
    # 128 words each: of such a query one alone fills a portion.
    long = "a " * 128
    found = tagger.tag(["acme milk", *[long] * 100, "", "acme milk"])
    assert len(found) == 103
    assert found[0] == found[-1] == tagger.tag(["acme milk"])[0]
    assert found[1:101] == tagger.tag([long]) * 100


def test_eight_threads_get_the_same_spans(tagger: Tagger) -> None:
    expected = tagger.tag(ODD)
    with ThreadPoolExecutor(8) as pool:
        assert all(found == expected for found in pool.map(lambda _: tagger.tag(ODD), range(24)))


@pytest.mark.parametrize("name", [*FILES, "tokenizer.json"])
@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "garbage", "folder"])
def test_a_damaged_file_is_refused_by_name(damaged: Path, name: str, damage: str) -> None:
    file = damaged / name
    content = file.read_bytes()
    file.unlink()
    match damage:
        case "empty":
            file.write_bytes(b"")
        case "truncated":
            file.write_bytes(content[: len(content) // 2])
        case "garbage":
            file.write_bytes(b"\xff\x00 no such thing" * 20)
        case "folder":
            file.mkdir()
    with pytest.raises(ReleaseError, match=name) as caught:
        Tagger(damaged, Features(damaged, bits=9))
    assert caught.value.hint


def lose_a_type(about: dict[str, Any]) -> None:
    about["types"].pop()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda about: about.update(schema_version=2), "schema version 2, not 3"),
        (lambda about: about.update(bits=0), "cannot be read"),
        (lambda about: about.update(bits=9), "does not belong to the tokenizer"),
        (lambda about: about["types"].append("smell"), "cannot be read"),
        (lose_a_type, "19 tags throughout"),
        (lambda about: about["ends"].pop(), "21 tags throughout"),
        (lambda about: about["ends"].__setitem__(0, float("nan")), "cannot be read"),
        (lambda about: about["transitions"][3].__setitem__(0, float("-inf")), "cannot be read"),
        (lambda about: about["transitions"][3].pop(), "21 tags throughout"),
    ],
)
def test_a_description_of_another_model_is_refused(
    damaged: Path, change: Callable[[dict[str, Any]], None], reason: str
) -> None:
    about = json.loads((damaged / ABOUT).read_bytes())
    change(about)
    (damaged / ABOUT).write_text(json.dumps(about))
    with pytest.raises(ReleaseError, match=reason):
        Tagger(damaged, Features(damaged, bits=9))


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("table", lambda array: array[:-1], r"table is int8 \(311, \d+\), not int8 \(312, "),
        ("table", lambda array: array.astype(np.int16), "table is int16"),
        ("scales", lambda array: array[:, None], r"scales is float32 \(312, 1\), not float32 \(312,\)"),
        ("scales", lambda array: array * np.nan, "scales has numbers that are not finite"),
        ("words", lambda array: array[:, :-1], r"words is float32 \(16, 68\), not float32 \(16, 69\)"),
        ("words", lambda array: array[:-1], r"words is float32 \(15, 69\), not float32 \(16, 69\)"),
        ("offsets", lambda array: array.astype(np.float64), "offsets is float64"),
        ("offsets", lambda array: array + np.inf, "offsets has numbers that are not finite"),
        ("output", lambda array: array[:-1], r"not float32 \(16, 66\)"),
        ("output", lambda array: array.T, "output is float32"),
        ("output", lambda array: np.float32(1), "output is float32"),
        ("output", None, "it holds offsets, scales, table, words"),
    ],
)
def test_weights_of_another_model_are_refused(
    damaged: Path, name: str, change: Callable[[np.ndarray], np.ndarray] | None, reason: str
) -> None:
    with np.load(damaged / WEIGHTS) as archive:
        arrays = dict(archive)
    array = arrays.pop(name)
    np.savez(damaged / WEIGHTS, **arrays, **({name: change(array)} if change else {}))
    with pytest.raises(ReleaseError, match=f"{WEIGHTS} does not belong .*{reason}") as caught:
        Tagger(damaged, Features(damaged, bits=9))
    assert caught.value.hint


def test_values_of_an_unknown_type_are_refused(damaged: Path) -> None:
    (damaged / VALUES).write_text('{"smell": {"a": "b"}}')
    with pytest.raises(ReleaseError, match=VALUES):
        Tagger(damaged, Features(damaged, bits=9))


def test_a_word_is_itself_its_pieces_and_its_grams(folder: Path) -> None:
    features = WordFeatures(Features(folder, bits=9), bits=8)
    assert features.pieces == 55
    assert features.rows == 55 + 256 + 1
    read = features(["tea5"])
    # "5" is no letter of the tokenizer's, so that the word is unknown to it as a whole.
    assert read.rows[0, PIECES].tolist() == [0] + [features.filler] * 7
    # " tea5 " has four runs of three, three of four and two of five.
    assert read.weights[0, GRAMS].tolist() == pytest.approx([9**-0.5] * 9 + [0] * 31)
    words = WordFeatures(Features(folder, bits=12), bits=8)(["tea5"])
    assert words.rows.tolist() == read.rows.tolist(), "into how many rows the student hashes says nothing"
    assert read.weights[0, OWN].tolist() == [1, 1, 1]
    again = features(["bag7", "bag77"])
    assert again.rows[0, 1] == read.rows[0, 1] != again.rows[1, 1]
    assert again.rows[0, 2] == again.rows[1, 2] == read.rows[0, 2]


def test_scores_are_those_of_the_layers_one_after_the_other(folder: Path, tmp_path: Path) -> None:
    features, rng = WordFeatures(Features(folder, bits=9), bits=8), np.random.default_rng(0)
    table = rng.integers(-127, 128, (features.rows, 4)).astype(np.float32)
    table[:, 0] = 127  # so that the scale of each row is 1 and nothing is lost
    # Two channels and three tags.
    words, output = rng.normal(size=(4, 9)).astype(np.float32), rng.normal(size=(2, 3)).astype(np.float32)
    own, direct = rng.normal(size=2).astype(np.float32), rng.normal(size=3).astype(np.float32)
    offsets = np.concatenate([[0, 0], own, [0, 0], direct]).astype(np.float32)
    write_weights(tmp_path, table, words=words, offsets=offsets, output=output)
    query = ["milk", "tea", "bag"]
    read = features(query)
    before, at, behind = np.einsum("wf,wfd->wd", read.weights, table[read.rows])
    near = np.maximum(before @ words[:, :2] + at @ words[:, 2:4] + behind @ words[:, 4:6] + own, 0)
    first = np.maximum(before @ words[:, 2:4] + at @ words[:, 4:6] + own, 0)
    scores = WordScores(tmp_path, features, tags=3)
    found = scores([query])
    assert found.shape == (3, 3)
    assert found[1] == pytest.approx(near @ output + at @ words[:, 6:] + direct, rel=1e-4)
    assert found[0] == pytest.approx(first @ output + before @ words[:, 6:] + direct, rel=1e-4)
    together = scores([["bag"], query, ["tea", "bag"]])
    assert together.shape == (8, 3)
    assert together[2:5] == pytest.approx(found, rel=1e-4)
    assert together[6:] == pytest.approx(scores([["tea", "bag"]]), rel=1e-4)


def test_what_it_is_asked_with_changes_nothing_of_a_query(tagger: Tagger, folder: Path) -> None:
    rng = random.Random(3)
    words = ["acme", "dairy", "dell", "milk", "green", "tea", "cheap", "bag7", "\U0001f34b", "500ml"]
    queries = [rng.choices(words, k=rng.choice([1, 1, 2, 2, 3, 4, 7, 40])) for _ in range(500)]
    texts = [" ".join(query) for query in queries]
    scores = WordScores(folder, WordFeatures(Features(folder, bits=9), bits=8), tags=tagger.about.tags)
    for start in range(0, 500, 32):
        some = queries[start : start + 32]
        together = scores(some)
        ends = list(itertools.accumulate(len(query) + 1 for query in some))
        for query, end in zip(some, ends, strict=True):
            assert together[end - len(query) - 1 : end - 1] == pytest.approx(scores([query]), abs=1e-5)
        alone = [tagger.tag([text])[0] for text in texts[start : start + 32]]
        assert tagger.tag(texts[start : start + 32]) == alone


def test_the_best_sequence_is_the_best_of_all() -> None:
    rng = np.random.default_rng(5)
    scores = rng.normal(size=(6, 4, 3)).astype(np.float32)
    starts, ends = rng.normal(size=(2, 3)).astype(np.float32)
    transitions = rng.normal(size=(3, 3)).astype(np.float32)
    lengths = [4, 1, 3, 2, 4, 3]
    best = best_tags(scores, lengths, starts=starts, ends=ends, transitions=transitions)
    for one, length, tags in zip(scores, lengths, best.tolist(), strict=True):

        def worth(way: tuple[int, ...], one: np.ndarray = one) -> float:
            steps = sum(transitions[a, b] for a, b in itertools.pairwise(way))
            return float(starts[way[0]] + steps + ends[way[-1]] + sum(one[i, tag] for i, tag in enumerate(way)))

        assert tuple(tags[:length]) == max(itertools.product(range(3), repeat=length), key=worth)
        before = np.ascontiguousarray(transitions.T)
        assert best_tags_of_one(one[:length], starts=starts, ends=ends, before=before) == tags[:length]


def test_of_equal_sequences_the_same_is_taken_alone_and_together() -> None:
    rng = np.random.default_rng(6)
    starts, ends = np.zeros(4, dtype=np.float32), rng.integers(0, 2, 4).astype(np.float32)
    transitions = rng.integers(0, 2, (4, 4)).astype(np.float32)
    before = np.ascontiguousarray(transitions.T)
    scores = rng.integers(0, 2, (200, 5, 4)).astype(np.float32)
    lengths = rng.integers(1, 6, 200).tolist()
    together = best_tags(scores, lengths, starts=starts, ends=ends, transitions=transitions).tolist()
    for one, length, tags in zip(scores, lengths, together, strict=True):
        assert best_tags_of_one(one[:length], starts=starts, ends=ends, before=before) == tags[:length]


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ([0, 0, 0], []),
        ([1, 2, 0], [(0, 3, "color")]),
        ([1, 1, 2], [(0, 1, "color"), (2, 5, "color")]),
        ([1, 3, 4], [(0, 1, "color"), (2, 5, "size")]),
        ([2, 2, 0], [(0, 3, "color")]),  # nothing was begun: the first begins it
        ([1, 4, 2], [(0, 1, "color"), (2, 3, "size"), (4, 5, "color")]),
    ],
)
def test_tags_make_spans(tags: list[int], spans: list[tuple[Any, ...]]) -> None:
    words = [(0, 1), (2, 3), (4, 5)]
    expected = [TypedSpan(start, end, kind) for start, end, kind in spans]
    assert spans_of(tags, words, ["color", "size"]) == expected


def test_a_table_that_is_no_archive_of_numbers_is_refused(damaged: Path) -> None:
    np.savez(damaged / WEIGHTS, table=np.array([{}], dtype=object), scales=np.ones(1))
    with pytest.raises(ReleaseError, match=WEIGHTS):
        Tagger(damaged, Features(damaged, bits=9))
