"""The statistics libraries of the extra `judge`, imported when they are needed."""

from __future__ import annotations

import importlib
import warnings
from typing import Any, Literal

from domain.errors import UserError

__all__ = ["Library", "library"]

Library = Literal["krippendorff", "ppi_py", "crowdkit.aggregation", "pandas", "scipy.stats"]


def library(name: Library) -> Any:
    """Return a library.

    Raises:
        UserError: it is not installed.
    """
    # ppi_py silences every warning of the process when it is imported; that is undone here.
    with warnings.catch_warnings():
        try:
            return importlib.import_module(name)
        except ImportError as error:
            raise UserError(
                f"what a judge's figures are worth is computed with {name.partition('.')[0]}, which is not installed",
                hint="pip install 'querywise[judge]'",
            ) from error
