"""What a release knows, for search engines that cannot ask a service: rules as files, each with its provenance.

Only what is precomputed is exported: a file cannot answer a query that nobody foresaw.
"""

from release.exports.difference import Changed, Difference, compare_with
from release.exports.exporting import Export, save_export
from release.exports.policy import EXPIRES_DAYS, LEAST_CONFIDENCE, Policy
from release.exports.rule import Held, Kind, Reach, Rule, rule_id
from release.exports.selection import LeftOut, Origin, Selection, select_rules
from release.exports.settings import RULES_PER_SET, Engine, ExportSettings, RawQueries
from release.exports.sidecar import About, read_about, read_rules

__all__ = [
    "EXPIRES_DAYS",
    "LEAST_CONFIDENCE",
    "RULES_PER_SET",
    "About",
    "Changed",
    "Difference",
    "Engine",
    "Export",
    "ExportSettings",
    "Held",
    "Kind",
    "LeftOut",
    "Origin",
    "Policy",
    "RawQueries",
    "Reach",
    "Rule",
    "Selection",
    "compare_with",
    "read_about",
    "read_rules",
    "rule_id",
    "save_export",
    "select_rules",
]
