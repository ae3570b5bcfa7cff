"""What each source, each kind of feature and each part of its training is worth to the student: trained without it.

    python -m benchmarks.student_ablations --shop FOLDER --work FOLDER [--gold FILE] [--seeds N] [--without NAME,...]
        [--texts N] [--pseudo N] [--keep FILE] [--write docs/ablations.md]

The shop has to be labelled (`querywise label`); its student is not touched. A training takes minutes, and most names of
`--without` are one for each seed; what `--keep` has kept of an earlier run is not trained again. Prints Markdown, or
puts it into a page between the marks of the shop.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from benchmarks.students.altered import Kind, altered
from benchmarks.students.examined import Examined, add_options, examined_of, settings_of, spell, write
from benchmarks.students.remembered import Remembered
from benchmarks.students.trial import Trial
from benchmarks.students.worth import ANSWERED, Samples
from distill.student import Settings
from domain.errors import QuerywiseError
from evals.cells import difference, interval, table

WHOLE = "the whole"


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """A student without something, or of another size.

    Attributes:
        says: What is left out, as a row of the table.
        settings: Changes how it is trained.
        typed_right: Whether texts are learnt without slips.
        labelled: Whether it learns to embed the labels too.
        features: Kinds that are left out.
    """

    says: str
    settings: Callable[[Settings], Settings] = lambda settings: settings
    typed_right: bool = False
    labelled: bool = False
    features: tuple[Kind, ...] = ()


def _mixed(source: str, share: float) -> Callable[[Settings], Settings]:
    return lambda s: replace(s, recipe=replace(s.recipe, mix={**s.recipe.mix, source: share}))


ABLATIONS: Mapping[str, Ablation] = {
    "labels": Ablation(says="labels", settings=_mixed("labels", 0.0)),
    "third": Ablation(says="half of the labels' share: a third of a batch", settings=_mixed("labels", 0.25)),
    "behaviour": Ablation(says="behaviour", settings=_mixed("behaviour", 0.0)),
    "catalogue": Ablation(says="catalogue as examples", settings=_mixed("catalogue", 0.0)),
    "pseudo": Ablation(says="pseudo-queries altogether", settings=lambda s: replace(s, pseudo=0)),
    "names": Ablation(says="names as examples", settings=_mixed("names", 0.0)),
    "nonsense": Ablation(says="nonsense", settings=_mixed("nonsense", 0.0)),
    "corpus": Ablation(
        says="learning to embed as the encoder does",
        settings=lambda s: replace(s, epochs=0, recipe=replace(s.recipe, anchor=0.0)),
    ),
    "anchor": Ablation(
        says="staying near the encoder", settings=lambda s: replace(s, recipe=replace(s.recipe, anchor=0.0))
    ),
    "parents": Ablation(
        says="ancestors in the loss", settings=lambda s: replace(s, recipe=replace(s.recipe, parents=0.0))
    ),
    "noise": Ablation(says="slips and changes of the text", typed_right=True),
    "pieces": Ablation(says="features: pieces of words", features=("pieces",)),
    "words": Ablation(says="features: hashed words", features=("words",)),
    "runs": Ablation(says="features: runs of letters", features=("runs",)),
    "pairs": Ablation(says="features: pairs of words", features=("pairs",)),
    "hashed": Ablation(says="features: all that are hashed", features=("words", "runs", "pairs")),
    "d64": Ablation(says="half the dimensions: 64", settings=lambda s: replace(s, dimension=64)),
    "d192": Ablation(says="more dimensions: 192", settings=lambda s: replace(s, dimension=192)),
    "d256": Ablation(says="more dimensions: 256", settings=lambda s: replace(s, dimension=256)),
    "labelled": Ablation(says="more texts to embed: those of the labels", labelled=True),
    "long": Ablation(
        says="more steps: 1,000", settings=lambda s: replace(s, recipe=replace(s.recipe, steps=2 * s.recipe.steps))
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.student_ablations",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each, of which the mean counts")
    parser.add_argument("--without", default=",".join(ABLATIONS), help="what to leave out in turn; all of it")
    options = parser.parse_args()
    names = [name for name in options.without.split(",") if name]
    if unknown := sorted({*names} - {*ABLATIONS}):
        parser.error(f"--without knows no {', '.join(unknown)}; it knows {', '.join(ABLATIONS)}")
    try:
        bench = examined_of(options)
        seeds = range(options.seeds)
        encoders = Remembered()
        chosen = {WHOLE: Ablation(says=WHOLE), **{name: ABLATIONS[name] for name in names}}
        settings = settings_of(options)
        trials = {
            name: [_trained(bench, name, ablation, replace(settings, seed=seed), encoders) for seed in seeds]
            for name, ablation in chosen.items()
        }
    except QuerywiseError as error:
        parser.exit(2, f"{error}\n{error.hint}\n")
    mark = f"ablations of {bench.name}, {'one seed' if options.seeds == 1 else f'{options.seeds} seeds'}"
    write(options, mark, page(bench, trials, seeds=options.seeds, command=spell(parser.prog)))


def _trained(bench: Examined, name: str, ablation: Ablation, settings: Settings, encoders: Remembered) -> Trial:
    return bench.trials.of(
        name,
        bench.lessons,
        ablation.settings(settings),
        lambda: altered(
            split=bench.split,
            sentences=encoders,
            typed_right=ablation.typed_right,
            labelled=ablation.labelled,
            without=ablation.features,
        ),
    )


def page(bench: Examined, trials: Mapping[str, Sequence[Trial]], *, seeds: int, command: str) -> str:
    """Return the command, what was measured on, and the table."""
    students: dict[str, Sequence[Trial]] = {**trials}
    if seeds > 1:
        first, *_, last = trials[WHOLE]
        students |= {"first": [first], "last": [last]}
    marks = [bench.examiner.marks(students, parts) for parts in (("held", "test"), ("people",))]
    marks.append(bench.examiner.strangers(students, bench.new))
    of_each = f", mean of {seeds} seeds" if seeds > 1 else ", one seed"
    head = (
        f"without{of_each}",
        *(f"{figure}, {by}" for by in ("labels", "people") for figure in ("top-1", "F1")),
        f"false answers where it answers {ANSWERED:.0%} of labels",
        "at its own thresholds",
        "seconds",
    )
    rows = [_row(f"– ({WHOLE})", marks, WHOLE, None, _seconds(trials[WHOLE]))]
    if seeds > 1:
        rows.append(_row("– (last seed less the first)", marks, "last", "first", ""))
    rows += [
        _row(ABLATIONS[name].says, marks, name, WHOLE, _seconds(some)) for name, some in trials.items() if name != WHOLE
    ]
    return "\n\n".join((f"    {command}", bench.about(), "\n".join(table(head, rows))))


def _row(
    says: str, marks: Sequence[Mapping[str, Samples]], name: str, base: str | None, seconds: str
) -> tuple[str, ...]:
    cells = []
    for by_student in marks:
        for figure, sample in by_student[name].items():
            own = interval(sample.estimate())
            cells.append(own if base is None else difference(sample.over(by_student[base][figure]).estimate()))
    return says, *cells, seconds


def _seconds(trials: Sequence[Trial]) -> str:
    return f"{sum(trial.seconds for trial in trials) / len(trials):.0f}"


if __name__ == "__main__":
    main()
