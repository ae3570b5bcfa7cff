"""What the allocator does with the memory of a release that was closed: it gives it back."""

from __future__ import annotations

import ctypes
from typing import Final

__all__ = ["give_back_large_blocks"]

_M_MMAP_THRESHOLD: Final = -3
"""As in glibc's malloc.h."""

_LARGE: Final = 1 << 20
"""Bytes. Answers are smaller, but for the largest batches; models and their tables are larger."""


def give_back_large_blocks() -> bool:
    """Have large blocks go back to the system as soon as they are free; return whether the C library can do that.

    By itself glibc takes blocks of up to 32 MB from its heap once it has seen one of them freed, and the holes that
    releases leave there one after another are filled by others: a worker then keeps two or three releases' memory.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(_M_MMAP_THRESHOLD, _LARGE))
