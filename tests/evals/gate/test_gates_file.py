from __future__ import annotations

from pathlib import Path

import pytest

from domain.errors import UserError
from evals.gate import Absolute, Gates, JudgeBound, NoRegression, ServiceBound, read_gates
from evals.gate.gates import LOWER_IS_BETTER
from evals.measures import MEASURES

WHOLE = """
alpha = 0.1
[[absolute]]
measure = "leaf_precision"
slice = "tier:tail,specificity:broad"
at_least = 0.85
[[absolute]]
measure = "unknown_id_rate"
at_most = 0.01
[[no_regression]]
measure = "leaf_f1"
slices = ["all", "tier:tail"]
margin = 0.02
[zeros]
leaked_prompts = { off = "the catalogue quotes our prompt" }
[service]
student_p99_ms = 10
coverage = 0.95
[[judge]]
task = "relevance"
quadratic_kappa = 0.6
"""


def read(tmp_path: Path, text: str | bytes) -> Gates:
    path = tmp_path / "gates.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_gates(path)


def test_the_whole_file(tmp_path: Path) -> None:
    assert read(tmp_path, WHOLE) == Gates(
        alpha=0.1,
        absolute=(
            Absolute(measure="leaf_precision", slice="tier:tail,specificity:broad", side="at_least", bound=0.85),
            Absolute(measure="unknown_id_rate", slice="all", side="at_most", bound=0.01),
        ),
        no_regression=(
            NoRegression(measure="leaf_f1", slice="all", margin=0.02),
            NoRegression(measure="leaf_f1", slice="tier:tail", margin=0.02),
        ),
        zeros_off={"leaked_prompts": "the catalogue quotes our prompt"},
        service=(ServiceBound(name="student_p99_ms", bound=10.0), ServiceBound(name="coverage", bound=0.95)),
        judges=(JudgeBound(task="relevance", quadratic_kappa=0.6, max_unscored=0.05),),
    )


def test_no_file_and_an_empty_one_ask_for_the_hard_zeros(tmp_path: Path) -> None:
    assert read_gates(tmp_path / "gates.toml") == Gates()
    assert read(tmp_path, "") == Gates()


ABSOLUTE = '[[absolute]]\nmeasure = "leaf_f1"\n'
REGRESSION = '[[no_regression]]\nmeasure = "leaf_f1"\n'


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ("alhpa = 0.05", "unknown key alhpa", "did you mean alpha?"),
        ("[service]\np99 = 3", "unknown key service.p99", "known are student_p99_ms, coverage"),
        (ABSOLUTE + 'at_least = 0.5\nslices = "all"', "unknown key absolute.0.slices", "did you mean slice?"),
        ('[[absolute]]\nmeasure = "leaf_f2"\nat_least = 0.5', "no measure 'leaf_f2'", "did you mean leaf_f1?"),
        ('[[absolute]]\nmeasure = "' + "x" * 5000 + '"\nat_least = 0.5', "no measure", "known are leaf_precision"),
        (ABSOLUTE, "absolute.0 needs at_least or at_most", ""),
        (ABSOLUTE + "at_least = 0.5\nat_most = 0.6", "and not both", ""),
        (ABSOLUTE + "at_least = 1.0", "absolute.0.at_least", "exactly 0 or 1"),
        (ABSOLUTE + "at_most = 0.0", "absolute.0.at_most", "exactly 0 or 1"),
        (ABSOLUTE + "at_least = nan", "absolute.0.at_least", ""),
        (ABSOLUTE + "at_least = true", "absolute.0.at_least", ""),
        (ABSOLUTE + 'at_least = "0.85"', "absolute.0.at_least", ""),
        (ABSOLUTE + "at_least = 2020-01-01", "absolute.0.at_least", ""),
        (ABSOLUTE + 'at_least = 0.5\nslice = "tail"', "'tail' names no slice", "tier:tail"),
        (ABSOLUTE + 'at_least = 0.5\nslice = "tier:"', "names no slice", ""),
        (ABSOLUTE + 'at_least = 0.5\nslice = "tier:tail,"', "names no slice", ""),
        (ABSOLUTE + 'at_least = 0.5\nslice = "tier:a\\u0007b"', "names no slice", ""),
        ((ABSOLUTE + "at_least = 0.5\n") * 2, "leaf_f1 of all at_least is there twice", ""),
        (REGRESSION + "margin = 0.02", "slices is missing", ""),
        (REGRESSION + "margin = 0.02\nslices = []", "slices", ""),
        (REGRESSION + "margin = -0.02\nslices = ['all']", "margin", ""),
        (REGRESSION + "margin = 0.02\nslices = ['all', 'all']", "leaf_f1 of all in no_regression is there twice", ""),
        ("[zeros]\nleaked_prompts = false", "zeros.leaked_prompts", '{ off = "the reason" }'),
        ("[zeros]\nleaked_prompts = { off = '' }", "zeros.leaked_prompts", ""),
        ("[zeros]\nleaked_prompts = { off = '  ' }", "zeros.leaked_prompts", ""),
        ("[zeros]\nleaks = { off = 'x' }", "zeros.leaks", "known are unknown_categories"),
        ("[service]\nstudent_p99_ms = 0", "student_p99_ms", ""),
        ("[service]\nstudent_p99_ms = inf", "student_p99_ms", ""),
        ("[service]\ncoverage = 95", "coverage", ""),
        ("[[judge]]\ntask = 'taste'\nquadratic_kappa = 0.5", "task", "relevance"),
        ("[[judge]]\ntask = 'rewrite'\nquadratic_kappa = 0.5\n" * 2, "judge of rewrite is there twice", ""),
        ("alpha = 0", "alpha", ""),
        ("alpha = 0.9", "alpha", ""),
        ("alpha = [0.05", "not valid TOML", ""),
        ("a = " + "[" * 5000, "not valid TOML", ""),
        (b"alpha = 0.05 # \xff", "not valid TOML", ""),
        ("absolute = 3", "absolute", ""),
        ("[absolute]\nmeasure = 'leaf_f1'", "absolute", ""),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, text: str | bytes, says: str, hint: str) -> None:
    with pytest.raises(UserError) as refused:
        read(tmp_path, text)
    assert str(refused.value).startswith(str(tmp_path / "gates.toml"))
    assert says in str(refused.value)
    assert hint in refused.value.hint
    assert len(str(refused.value)) < 600


def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_gates(tmp_path)


def test_levels_halve_and_never_spend_more_than_alpha() -> None:
    gates = Gates(alpha=0.05)
    assert [gates.alpha_of(look) for look in (1, 2, 3)] == [0.025, 0.0125, 0.00625]
    assert gates.spent_by(3) == pytest.approx(0.04375)
    assert sum(gates.alpha_of(look) for look in range(1, 200)) <= 0.05


def test_every_measure_has_a_direction() -> None:
    assert LOWER_IS_BETTER <= set(MEASURES)
    falling = {name for name in MEASURES if name.endswith(("_rate", "_error")) or "brier" in name}
    assert falling == LOWER_IS_BETTER
