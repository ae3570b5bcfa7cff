"""Every block of the README runs, and says what is written beside it."""

from __future__ import annotations

from tests.client.pages import blocks_of, run_page
from tests.client.test_distribution import CLIENT


def test_the_readme_runs(service, capsys):
    names = run_page(CLIENT / "README.md", {"http://querywise:8080": service}, module="client_readme")
    shown = capsys.readouterr().out
    assert "c118 Beverages > Soft Drinks > Ginger Ale 0.97" in shown
    assert "422 query-too-long query" in shown and "ginger ale" in shown
    assert names["failures"] == {} and len(blocks_of(CLIENT / "README.md", "python")) == 4
    names["querywise"].close()
    names["counted"].close()
