from __future__ import annotations

import sys
import warnings

import pytest

from domain.errors import UserError
from evals.judge import agree, corrected_mean, panel
from evals.judge.libraries import library


def test_a_missing_library_is_named_with_what_to_install(monkeypatch, verdicts, own_queries) -> None:
    one, other = own_queries([0, 1, 2, 3, 1]), own_queries([0, 1, 3, 3, 2, 0])
    members = [verdicts(one, judge="a"), verdicts(other, judge="b")]
    for name in ("krippendorff", "ppi_py", "scipy.stats", "crowdkit.aggregation"):
        monkeypatch.setitem(sys.modules, name, None)
    for call, name in (
        (lambda: agree(one, other, task="relevance"), "krippendorff"),
        (lambda: corrected_mean(other, one, task="relevance"), "scipy"),
        (lambda: panel(members, task="relevance", method="dawid_skene"), "crowdkit"),
    ):
        with pytest.raises(UserError, match=f"computed with {name}, which is not installed") as raised:
            call()
        assert raised.value.hint == "pip install 'querywise[judge]'"


def test_majority_and_audit_need_no_library(monkeypatch, verdicts, own_queries) -> None:
    for name in ("krippendorff", "ppi_py", "scipy.stats", "crowdkit.aggregation", "pandas"):
        monkeypatch.setitem(sys.modules, name, None)
    members = [verdicts(own_queries([1]), judge=name) for name in "ab"]
    assert panel(members, task="relevance", method="majority").unanimous == 1


@pytest.mark.usefixtures("judge_extra")
def test_importing_ppi_leaves_the_warnings_of_the_process_alone(monkeypatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "ppi_py"]:
        monkeypatch.delitem(sys.modules, name)
    before = list(warnings.filters)
    library("ppi_py")
    assert list(warnings.filters) == before
