"""Decides whether a release may be served: bounds that are tested, hard zeros, and PASS, FAIL or INCONCLUSIVE."""

from evals.gate.decide import decide
from evals.gate.decision import Check, Decision, GateVerdict, decision_json, read_decision, write_decision
from evals.gate.evidence import Evidence, JudgeFigures, digest_of
from evals.gate.gates import ZEROS, Absolute, Gates, JudgeBound, NoRegression, ServiceBound
from evals.gate.gates_file import read_gates
from evals.gate.looks import Look, Looks
from evals.gate.zeros import Found, count_zeros

__all__ = [
    "ZEROS",
    "Absolute",
    "Check",
    "Decision",
    "Evidence",
    "Found",
    "GateVerdict",
    "Gates",
    "JudgeBound",
    "JudgeFigures",
    "Look",
    "Looks",
    "NoRegression",
    "ServiceBound",
    "count_zeros",
    "decide",
    "decision_json",
    "digest_of",
    "read_decision",
    "read_gates",
    "write_decision",
]
