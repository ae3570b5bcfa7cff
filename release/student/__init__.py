"""The student: a small model that answers the queries that have no precomputed answer."""

from release.student.decision import Answered, Level, Policy, Tree, decide
from release.student.features import Features
from release.student.model import SPECIFICITIES, Prediction, Provider, Student
from release.student.tagger import Tagger

__all__ = [
    "SPECIFICITIES",
    "Answered",
    "Features",
    "Level",
    "Policy",
    "Prediction",
    "Provider",
    "Student",
    "Tagger",
    "Tree",
    "decide",
]
