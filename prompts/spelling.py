"""Whether a text is another spelling of a query: word by word a few letters apart, or split and joined otherwise.

Letters apart are counted as optimal string alignment: Damerau, "A technique for computer detection and correction of
spelling errors", CACM 7(3), 1964, without a second edit of the same letters.
"""

from __future__ import annotations

__all__ = ["edits", "is_respelling"]

# A word split or joined may have one edit besides.
# A word of one to four letters may have one edit, one of five to seven two, one of eight and more three.
_EDITS = ((4, 1), (7, 2))
_MOST_EDITS = 3
_ALIKE = {"n": "and", "&": "and"}


def is_respelling(query: str, text: str) -> bool:
    """Whether two normalised texts are the same words in the same order, spelt, split or joined in another way."""
    given = [_ALIKE.get(word, word) for word in query.replace("-", " ").split()]
    wanted = [_ALIKE.get(word, word) for word in text.replace("-", " ").split()]
    reached = {(0, 0)}
    for i in range(len(given) + 1):
        for j in range(len(wanted) + 1):
            if (i, j) in reached:
                for more, others in ((1, 1), (1, 2), (2, 1), (1, 3), (3, 1)):
                    words, said = given[i : i + more], wanted[j : j + others]
                    joined = more != others
                    if len(words) == more and len(said) == others and _close("".join(words), "".join(said), joined):
                        reached.add((i + more, j + others))
    return (len(given), len(wanted)) in reached


def edits(a: str, b: str) -> int:
    """Return the number of letters to put in, take out, replace or swap with the next to make one word the other."""
    before: list[int] = []
    last = list(range(len(b) + 1))
    for i, letter in enumerate(a, 1):
        row = [i]
        for j, other in enumerate(b, 1):
            best = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == b[j - 2] and a[i - 2] == other:
                best = min(best, before[j - 2] + 1)
            row.append(best)
        before, last = last, row
    return last[-1]


def _close(a: str, b: str, joined: bool) -> bool:
    longest = max(len(a), len(b))
    allowed = 1 if joined else next((count for length, count in _EDITS if longest <= length), _MOST_EDITS)
    return abs(len(a) - len(b)) <= allowed and edits(a, b) <= allowed
