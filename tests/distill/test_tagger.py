"""From labels to a tagger: what is learnt of them, the same for the same seed, and an export that says the same."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from distill.spans import TYPES, SpanExample, span_agreement, span_examples, value_forms  # noqa: E402
from distill.tagger import TaggerCard, distil_tagger, train_tagger  # noqa: E402
from distill.tagger_export import export_tagger  # noqa: E402
from distill.tagger_network import TaggerNetwork, TaggerRecipe, TrainedTagger, Words  # noqa: E402
from domain.errors import QuerywiseError, ReleaseError  # noqa: E402
from domain.label import Label, Provenance  # noqa: E402
from domain.understanding import Annotation, AnnotationType, Understanding  # noqa: E402
from release.student.features import Features  # noqa: E402
from release.student.tagger import FILES, Tagger  # noqa: E402
from release.student.word_features import WordFeatures  # noqa: E402
from release.student.word_scores import WEIGHTS  # noqa: E402

PROVENANCE = Provenance(model="m", prompt="p", key="k", context="c", dropped={})
RECIPE = TaggerRecipe(dimension=16, hidden=16, static=8, epochs=1, least=60, batch=8, rate=0.02, dropout=0.1)
Marks = Sequence[tuple[str, AnnotationType, str]]


def label(query: str, marks: Marks = ()) -> Label:
    found = tuple(
        Annotation(text=text, start=query.index(text), end=query.index(text) + len(text), type=kind, value=value)
        for text, kind, value in marks
    )
    answer = Understanding(
        query=query, normalized=query, source="head", reason="precomputed", release="", annotations=found
    )
    return Label(query=query, tier="tail", searches=1, understanding=answer, provenance=PROVENANCE)


FOODS = ("milk", "tea", "dog food", "cat food")
BRANDS = ("acme", "dairy dell", "hay and co", "bell")
LABELS = [
    label(f"{brand} {food}", [(brand, "brand", brand.title()), (food, "product_type", food)])
    for brand, food in itertools.product(BRANDS, FOODS)
    if (brand, food) != ("bell", "tea")
]
TEST = [label("bell tea", [("bell", "brand", "Bell"), ("tea", "product_type", "tea")])]


def pieces(count: int = 80) -> torch.Tensor:
    return torch.randn(count, 12, generator=torch.Generator().manual_seed(0))


def distil(
    folder: Path,
    tokenizer_folder: Path,
    labels: Sequence[Label] = LABELS,
    seed: int = 0,
    recipe: TaggerRecipe = RECIPE,
) -> TaggerCard | None:
    folder.mkdir(exist_ok=True)
    return distil_tagger(
        labels,
        ["ACME", "Acme", "ACME", "Dairy Dell Ltd"],
        tokenizer_folder / "tokenizer.json",
        folder,
        test=TEST,
        pieces=pieces(),
        recipe=recipe,
        seed=seed,
    )


def train(tokenizer_folder: Path) -> TrainedTagger:
    features = WordFeatures(Features(tokenizer_folder, bits=9), bits=8)
    return train_tagger(span_examples(LABELS), features, pieces=pieces(), recipe=RECIPE)


def test_words_within_a_span_are_tagged_and_parts_of_words_are_not() -> None:
    marked = label("red wine red-wine 5 oz", [("red wine", "product_type", "x"), ("5 oz", "size", "x")])
    part = label("redwine glass", [("red", "color", "red"), ("glass", "product_type", "glass")])
    first, second, third = span_examples([marked, part, label("nothing here"), label("")])
    size = 1 + 2 * TYPES.index("size")
    assert first == SpanExample(
        query="red wine red-wine 5 oz",
        places=((0, 3), (4, 8), (9, 17), (18, 19), (20, 22)),
        tags=(1, 2, 0, size, size + 1),
    )
    assert first.words == ("red", "wine", "red-wine", "5", "oz")
    assert second.tags == (0, 1)
    assert third.tags == (0, 0)


def test_of_a_query_the_last_label_counts() -> None:
    [found] = span_examples(
        [label("green tea", [("green", "color", "g")]), label("green tea", [("tea", "brand", "t")])]
    )
    assert found.tags == (0, 3)


def test_the_form_most_labels_give_comes_before_the_catalogues() -> None:
    labels = [
        label("hp ink", [("hp", "brand", "HP Inc")]),
        label("hp pen", [("hp", "brand", "HP")]),
        label("hp cup", [("hp", "brand", "HP"), ("cup", "product_type", "cup")]),
    ]
    forms = value_forms(labels, ["Hewlett", "hp", "hp", "hp", "LEGO", "Lego", "LEGO", "bic", "!"])
    # "bic" and "cup" are their own forms, and nothing is left of "!" in normal form.
    assert forms == {"brand": {"hp": "HP", "hewlett": "Hewlett", "lego": "LEGO"}}


def test_agreement_counts_spans_over_all_queries() -> None:
    def spans(*given: tuple[int, int, AnnotationType]) -> list[Annotation]:
        return [Annotation(text="", start=start, end=end, type=kind, value="") for start, end, kind in given]

    expected = [spans((0, 4, "brand"), (5, 9, "color")), spans((0, 3, "size")), []]
    found = [spans((0, 4, "brand"), (5, 7, "color"), (8, 9, "size")), [], []]
    score = span_agreement(expected, found)
    # 3 expected and 3 found; 1 the same: 2 / 6. With overlap 2 of 3 found and 2 of 3 expected.
    assert (score.queries, score.exact, score.overlap) == (3, pytest.approx(1 / 3), pytest.approx(2 / 3))
    assert span_agreement([[]], [[]]).overlap == span_agreement([[]], [[]]).exact == 1.0
    assert (
        span_agreement([[]], [spans((0, 1, "size"))]).overlap
        == span_agreement([[]], [spans((0, 1, "size"))]).exact
        == 0
    )


def test_a_tagger_is_distilled_and_measured(tmp_path: Path, tokenizer_folder: Path) -> None:
    threads = torch.get_num_threads()
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    folder = tmp_path / "student"
    card = distil(folder, tokenizer_folder)
    assert card is not None
    assert (card.examples, card.spans, card.parity.queries) == (15, 30, 15)
    # The labels' four brands; "Dairy Dell Ltd" of the catalogue; foods are their own forms.
    assert card.forms == 5
    assert card.agreement is not None
    assert (card.agreement.queries, card.agreement.exact) == (1, 1.0)
    assert {file.name for file in folder.iterdir()} == {*FILES, "tokenizer.json"}
    assert card.parity.megabytes == pytest.approx((folder / WEIGHTS).stat().st_size / 1e6)
    [found] = Tagger(folder, Features(folder, bits=9)).tag(["acme dog food"])
    assert [(a.text, a.type, a.value) for a in found] == [
        ("acme", "brand", "Acme"),
        ("dog food", "product_type", "dog food"),
    ]
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_same_seed_gives_the_same_files(tmp_path: Path, tokenizer_folder: Path) -> None:
    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        distil(tmp_path / name, tokenizer_folder, seed=seed)
    one, two, three = ([(tmp_path / name / file).read_bytes() for file in FILES] for name in ("one", "two", "three"))
    assert one == two
    assert one != three


def test_without_a_span_there_is_no_tagger(tmp_path: Path, tokenizer_folder: Path) -> None:
    assert distil(tmp_path / "student", tokenizer_folder, labels=[label("milk"), label("")]) is None
    assert distil(tmp_path / "student", tokenizer_folder, labels=[]) is None
    assert list((tmp_path / "student").iterdir()) == []


def test_one_label_is_enough_and_a_very_long_query_no_hindrance(tmp_path: Path, tokenizer_folder: Path) -> None:
    long = label(" ".join("a" * 128), [("a a", "brand", "A")])
    card = distil(tmp_path / "student", tokenizer_folder, labels=[long], recipe=replace(RECIPE, least=5))
    assert card is not None
    assert card.examples == 1


def test_progress_is_told_to_the_last_step(tokenizer_folder: Path) -> None:
    told: list[tuple[int, int]] = []
    features = WordFeatures(Features(tokenizer_folder, bits=9), bits=8)
    train_tagger(
        span_examples(LABELS),
        features,
        pieces=pieces(),
        recipe=RECIPE,
        progress=lambda done, steps: told.append((done, steps)),
    )
    assert told == [(step + 1, 60) for step in range(60)]


def test_another_encoders_pieces_are_refused(tokenizer_folder: Path) -> None:
    features = WordFeatures(Features(tokenizer_folder, bits=9), bits=8)
    with pytest.raises(QuerywiseError, match="58 pieces and the encoder 57"):
        train_tagger(span_examples(LABELS), features, pieces=pieces(57), recipe=RECIPE)


def test_a_broken_tokenizer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{}")
    with pytest.raises(ReleaseError, match=r"tokenizer\.json cannot be read"):
        distil_tagger(LABELS, [], tmp_path / "broken.json", tmp_path, pieces=pieces(), recipe=RECIPE)


def test_an_export_that_marks_other_spans_is_refused(tmp_path: Path, tokenizer_folder: Path) -> None:
    trained = train(tokenizer_folder)
    (tmp_path / "tokenizer.json").write_bytes((tokenizer_folder / "tokenizer.json").read_bytes())
    assert export_tagger(trained, tmp_path, {}).differ == 0
    # In int8 one number of a row that is a thousand times the others leaves nothing of them.
    with torch.no_grad():
        trained.network.table.weight[1:, 0] += 1000
        trained.network.project.weight[0] += 1000
        trained.network.convolution.weight[:, 0] = 0
        trained.network.output.weight[:, trained.network.recipe.hidden] = 0
    with pytest.raises(QuerywiseError, match="marks other spans"):
        export_tagger(trained, tmp_path, {})


def test_the_loss_is_the_likelihood_over_every_sequence(tokenizer_folder: Path) -> None:
    examples = span_examples(LABELS[:2])
    words = Words.of(examples, WordFeatures(Features(tokenizer_folder, bits=9), bits=8), pieces(58))
    network = TaggerNetwork(words, RECIPE)
    generator = torch.Generator().manual_seed(3)
    count = 1 + 2 * len(TYPES)
    scores = torch.randn(2, 3, count, generator=generator)
    with torch.no_grad():
        for numbers in (network.between, network.starts, network.ends):
            numbers.copy_(torch.randn(numbers.shape, generator=generator))
        places = torch.tensor([[1, 1, 1], [1, 1, 0]])
        tags = torch.tensor([[3, 4, 1], [0, 1, 0]])
        found = network.loss(scores, tags, places).item()
        opening, between, ends = (t.double().numpy() for t in (network.openings, network.transitions, network.ends))
    losses = []
    for given, right in ((scores[0], [3, 4, 1]), (scores[1, :2], [0, 1])):
        own = given.double().numpy()
        worth = {
            way: opening[way[0]]
            + ends[way[-1]]
            + sum(own[i, tag] for i, tag in enumerate(way))
            + sum(between[a, b] for a, b in itertools.pairwise(way))
            for way in itertools.product(range(count), repeat=len(right))
        }
        losses.append(np.log(np.exp(list(worth.values())).sum()) - worth[tuple(right)])
    assert found == pytest.approx(np.mean(losses), rel=1e-4)


def test_a_span_goes_on_only_where_it_has_begun(tokenizer_folder: Path) -> None:
    network = train(tokenizer_folder).network
    with torch.no_grad():
        openings, transitions = network.openings.numpy(), network.transitions.numpy()
    brand, goes_on, other = 3, 4, 1
    assert openings[goes_on] < -1000 < openings[brand]
    assert transitions[0, goes_on] < -1000 < transitions[brand, goes_on]
    assert transitions[other, goes_on] < -1000 < transitions[goes_on, goes_on]
    assert transitions[goes_on, brand] > -1000


def test_what_no_label_touches_stays_zero_and_pieces_are_known_all(tmp_path: Path, tokenizer_folder: Path) -> None:
    trained = train(tokenizer_folder)
    (tmp_path / "tokenizer.json").write_bytes((tokenizer_folder / "tokenizer.json").read_bytes())
    export_tagger(trained, tmp_path, {})
    with np.load(tmp_path / WEIGHTS) as arrays:
        known = np.flatnonzero(arrays["table"].any(axis=1)).tolist()
    learnt = trained.words.touched.tolist()
    # Twelve words with their shapes and grams, of 256 rows; and all 58 pieces, seen or not.
    assert len(trained.words.place) == 12
    assert known == [*range(58), *learnt]
    assert 0 < len(learnt) < 256
