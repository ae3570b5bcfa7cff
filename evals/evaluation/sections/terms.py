"""The words of the page that a reader may not know."""

from __future__ import annotations

from evals.evaluation.markup import Html, element, section

__all__ = ["terms_section"]

_TERMS = {
    "release": (
        "Release, base",
        "A release is the folder of answers that would be served. The base is the release that it is compared with, "
        "the one served now unless another was named.",
    ),
    "tiers": (
        "Head, torso, tail, unseen",
        "Queries by traffic: the few that make up the first half of all searches, those up to four fifths, the rest, "
        "and labelled queries that nobody has searched. A shop can set other shares.",
    ),
    "precision": ("Precision", "Of the categories given, the share that is right."),
    "recall": ("Recall", "Of the categories that people expect, the share that is given."),
    "f1": (
        "F1",
        "One number for precision and recall, their harmonic mean: 1 is all right and nothing missing, 0 nothing.",
    ),
    "interval": (
        "95% interval",
        "Where the number would lie for other queries like these. A difference whose interval leaves out 0 is more "
        "than the choice of the queries explains.",
    ),
    "p": (
        "p",
        "How often chance alone would give evidence as strong for a pass if the bound were broken; of a check that "
        "failed, evidence as strong for the failure if it were kept. A small one settles the check.",
    ),
    "kappa": (
        "Kappa",
        "Agreement beyond chance: 0 is what chance gives, 1 is perfect. A large disagreement counts more than a small "
        "one (quadratic weights).",
    ),
    "ndcg": (
        "nDCG@10",
        "How good the first ten products of a list are, and how high the best of them stand: 1 is the best order.",
    ),
    "ece": ("ECE", "Expected calibration error: the mean distance of confidence and share right. 0 is best."),
}


def terms_section() -> Html:
    """Return the list of words, each the goal of its links."""
    entries = (
        element("div", element("dt", name, id=f"word-{key}"), element("dd", said))
        for key, (name, said) in _TERMS.items()
    )
    return section("words", "Words", None, element("dl", *entries, class_="words"))
