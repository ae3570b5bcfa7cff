from __future__ import annotations

import json
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domain.errors import ShopError
from domain.ingest import ingest
from domain.quarantine import Reason

# The warehouse keeps UTC without saying so.
TEN = datetime(2026, 5, 1, 10, tzinfo=UTC).replace(tzinfo=None)


def ndjson(*rows) -> str:
    return "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)


# What becomes of a bad search


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"query_id": None}, Reason.MISSING_ID),
        ({"query_id": "  "}, Reason.MISSING_ID),
        ({"query_id": "q1"}, Reason.DUPLICATE_ID),
        ({"query_id": "a\u0000b"}, Reason.BAD_ID),
        ({"query_id": {"id": 1}}, Reason.BAD_ID),
        ({"query_id": "q" * 201}, Reason.BAD_ID),
        ({"client_id": "c" * 201}, Reason.BAD_ID),
        ({"user_query": None}, Reason.EMPTY_QUERY),
        ({"user_query": ""}, Reason.EMPTY_QUERY),
        ({"user_query": " !? "}, Reason.EMPTY_QUERY),
        ({"user_query": "\u200b"}, Reason.EMPTY_QUERY),
        ({"user_query": "a" * 257}, Reason.QUERY_TOO_LONG),
        ({"user_query": "ab " * 100}, Reason.QUERY_TOO_LONG),
        ({"user_query": "a" * 2_000_000}, Reason.QUERY_TOO_LONG),
        ({"timestamp": None}, Reason.MISSING_TIMESTAMP),
        ({"timestamp": ""}, Reason.MISSING_TIMESTAMP),
        ({"timestamp": "yesterday"}, Reason.BAD_TIMESTAMP),
        ({"timestamp": "2026-13-01T00:00:00Z"}, Reason.BAD_TIMESTAMP),
        ({"timestamp": "01/05/2026"}, Reason.BAD_TIMESTAMP),
        ({"timestamp": 1e300}, Reason.BAD_TIMESTAMP),
        ({"timestamp": True}, Reason.BAD_TIMESTAMP),
        ({"timestamp": "1970-01-01T00:00:00Z"}, Reason.TOO_OLD),
        ({"timestamp": 0}, Reason.TOO_OLD),
        ({"timestamp": 1_777_600_000}, Reason.TOO_OLD),
        ({"timestamp": "2026-06-02T00:00:01Z"}, Reason.FUTURE),
        ({"timestamp": "9999-12-31T00:00:00Z"}, Reason.FUTURE),
        ({"query_response_hit_ids": "p1"}, Reason.BAD_HITS),
        ({"query_response_hit_ids": 3}, Reason.BAD_HITS),
        ({"query_response_hit_ids": {"a": 1}}, Reason.BAD_HITS),
        ({"action_name": "click"}, Reason.EVENT_AMONG_QUERIES),
    ],
)
def test_a_bad_search_is_quarantined(load, grocery, change, reason):
    good = {"query_id": "q9", "user_query": "cheese", "client_id": "c9", "timestamp": "2026-05-09T00:00:00Z"}
    loaded = load({"ubi_queries.ndjson": [*grocery.queries, good | change]})
    assert loaded.rejects() == [("ubi_queries.ndjson", 4, reason)]
    assert loaded.report.searches == 3


@pytest.mark.parametrize(
    "change",
    [
        {"user_query": "a" * 256},
        {"user_query": "!" * 300 + "milk"},
        {"timestamp": "2026-06-02T00:00:00Z"},
        {"timestamp": "2000-01-01"},
        {"client_id": None},
        {"query_response_hit_ids": None},
        {"query_response_hit_ids": ""},
        {"action_name": None},
        {"query_id": "q" * 200},
        {"user_query": 1984},
    ],
)
def test_a_search_at_the_edge_is_accepted(load, grocery, change):
    good = {"query_id": "q9", "user_query": "cheese", "client_id": "c9", "timestamp": "2026-05-09T00:00:00Z"}
    loaded = load({"ubi_queries.ndjson": [*grocery.queries, good | change]})
    assert (loaded.rejects(), loaded.report.searches) == ([], 4)


@pytest.mark.parametrize("line", ["{", "nonsense", "[1]", "7", "null", '{"a": "\\ud800"}', "[" * 50_000 + "]" * 50_000])
def test_a_line_that_is_no_object_is_malformed(load, grocery, line):
    loaded = load({"ubi_queries.ndjson": ndjson(grocery.queries[0], line, *grocery.queries[1:])})
    assert loaded.rejects() == [("ubi_queries.ndjson", 2, Reason.MALFORMED_JSON)]
    assert loaded.table("quarantine")[0]["row"] == line[:500]


def test_deeply_nested_attributes_are_read_past(load, grocery):
    deep = '{"query_attributes": ' + '{"a":' * 20_000 + "1" + "}" * 20_000 + "}"
    row = json.dumps(grocery.queries[0])
    line = row[:-1] + ", " + deep[1:]
    loaded = load({"ubi_queries.ndjson": ndjson(line, *grocery.queries[1:])})
    assert (loaded.report.searches, loaded.rejects()) == (3, [])


def test_bytes_that_are_no_utf_8_cost_their_line_only(load, grocery):
    good = [json.dumps(row).encode() for row in grocery.queries]
    bad = '{"query_id": "x", "user_query": "café"}'.encode("cp1252")
    loaded = load({"ubi_queries.ndjson": b"\n".join([good[0], bad, good[1], b'{"query_id": "\0"}', good[2]])})
    assert loaded.rejects() == [
        ("ubi_queries.ndjson", 2, Reason.NOT_UTF8),
        ("ubi_queries.ndjson", 4, Reason.NUL_BYTE),
    ]


def test_the_earliest_of_a_repeated_query_id_is_kept(load, grocery):
    later, earlier = grocery.queries[0] | {"timestamp": "2026-05-08T00:00:00Z"}, grocery.queries[0]
    loaded = load({"ubi_queries.ndjson": [later, *grocery.queries[1:], earlier, earlier]})
    assert loaded.rejects() == [
        ("ubi_queries.ndjson", 1, Reason.DUPLICATE_ID),
        ("ubi_queries.ndjson", 5, Reason.DUPLICATE_ID),
    ]
    assert [row["at"] for row in loaded.table("searches") if row["query_id"] == "q1"] == [TEN]


# What becomes of a bad event


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"action_name": None}, Reason.MISSING_ACTION),
        ({"query_id": None}, Reason.NO_QUERY),
        ({"query_id": "before the log"}, Reason.UNKNOWN_QUERY),
        ({"event_attributes": None}, Reason.NO_OBJECT),
        ({"event_attributes": {}}, Reason.NO_OBJECT),
        ({"event_attributes": "text"}, Reason.NO_OBJECT),
        ({"event_attributes": {"object": {"object_id": ""}}}, Reason.NO_OBJECT),
        ({"event_attributes": {"object": {"object_id": "p404"}}}, Reason.UNKNOWN_PRODUCT),
        ({"event_attributes": {"object": {"object_id": "p1"}, "position": {"ordinal": -1}}}, Reason.BAD_POSITION),
        ({"event_attributes": {"object": {"object_id": "p1"}, "position": {"ordinal": 1.5}}}, Reason.BAD_POSITION),
        ({"event_attributes": {"object": {"object_id": "p1"}, "position": {"ordinal": "top"}}}, Reason.BAD_POSITION),
        ({"event_attributes": {"object": {"object_id": "p1"}, "position": {"ordinal": 10**12}}}, Reason.BAD_POSITION),
        ({"event_attributes": {"object": {"object_id": "p1"}, "position": {"ordinal": 0}}}, Reason.BAD_POSITION),
        ({"timestamp": 86_400_000}, Reason.TOO_OLD),
        ({"timestamp": "2030-01-01T00:00:00Z"}, Reason.FUTURE),
    ],
)
def test_a_bad_event_is_quarantined(load, grocery, change, reason):
    loaded = load({"ubi_events.ndjson": [*grocery.events, grocery.event(1, "p1") | change]})
    assert loaded.rejects() == [("ubi_events.ndjson", 4, reason)]
    assert loaded.report.events == 3


def test_an_event_of_a_quarantined_search_is_quarantined(load, grocery):
    grocery.queries[1]["user_query"] = ""
    loaded = load({"ubi_queries.ndjson": grocery.queries})
    assert loaded.reasons("ubi_events.ndjson") == {Reason.UNKNOWN_QUERY: 1}


def test_an_event_of_a_repeated_query_id_is_counted_once(load, grocery):
    loaded = load({"ubi_queries.ndjson": [*grocery.queries, grocery.queries[0]]})
    assert loaded.report.events == 3


# Positions


@pytest.mark.parametrize(
    "position", [None, {}, {"x": 10, "y": 20}, {"ordinal": None}, {"ordinal": None, "xy": {"x": 1}}]
)
def test_a_position_that_is_not_an_ordinal_is_unknown(load, grocery, position):
    attributes = {"object": {"object_id": "p1"}, "position": position}
    loaded = load({"ubi_events.ndjson": [grocery.event(1, "p1") | {"event_attributes": attributes}]})
    assert [row["position"] for row in loaded.table("events")] == [None]


def test_ordinals_from_zero_are_found_by_the_response_lists(load, grocery):
    events = [grocery.event(1, "p1", 0), grocery.event(1, "p2", 1), grocery.event(2, "p3", 0)]
    loaded = load({"ubi_events.ndjson": events})
    assert loaded.report.first_ordinal == 0
    assert sorted(row["position"] for row in loaded.table("events")) == [1, 1, 2]


def test_a_stray_zero_does_not_shift_a_log_that_counts_from_one(load, grocery):
    events = [grocery.event(1, "p1", 1), grocery.event(1, "p2", 2), grocery.event(2, "p3", 0)]
    loaded = load({"ubi_events.ndjson": events})
    assert loaded.report.first_ordinal == 1
    assert loaded.reasons("ubi_events.ndjson") == {Reason.BAD_POSITION: 1}


@pytest.mark.parametrize(("zeros", "expected"), [(0, 1), (1, 0)])
def test_without_response_lists_zeros_decide(load, grocery, zeros, expected):
    for query in grocery.queries:
        del query["query_response_hit_ids"]
    events = [grocery.event(1, "p1", 3)] * 99 + [grocery.event(1, "p1", 0)] * zeros
    loaded = load({"ubi_queries.ndjson": grocery.queries, "ubi_events.ndjson": events})
    assert loaded.report.first_ordinal == expected
    assert {row["hit_ids"] for row in loaded.table("searches")} == {None}


@pytest.mark.parametrize(("first", "position"), [(0, 3), (1, 2)])
def test_the_first_ordinal_can_be_set(load, grocery, first, position):
    loaded = load({"ubi_events.ndjson": [grocery.event(1, "p2", 2)]}, toml=f"[log]\nfirst_ordinal = {first}")
    assert [row["position"] for row in loaded.table("events")] == [position]


# Actions


def test_custom_actions_are_mapped_and_others_kept(load, grocery):
    events = [grocery.event(1, "p1", action=action) for action in ("PDP_OPEN", "watch", "purchase")]
    loaded = load({"ubi_events.ndjson": events}, toml='[actions]\nPDP_OPEN = "click"')
    assert loaded.ids("events", "action") == ["click", "purchase", "watch"]


# Forms


def test_flattened_columns(load, grocery):
    events = [
        {
            "action_name": event["action_name"],
            "query_id": event["query_id"],
            "client_id": event["client_id"],
            "timestamp": event["timestamp"],
            "event_attributes.object.object_id": event["event_attributes"]["object"]["object_id"],
            "event_attributes.position.ordinal": event["event_attributes"]["position"]["ordinal"],
        }
        for event in grocery.events
    ]
    expected = load().report.fingerprints
    for name in ("ubi_events.ndjson", "ubi_events.csv", "ubi_events.parquet"):
        assert load({name: events}).report.fingerprints == expected


def test_attributes_as_json_text_in_parquet(load, grocery):
    expected = load().report.fingerprints
    events = [event | {"event_attributes": json.dumps(event["event_attributes"])} for event in grocery.events]
    assert load({"ubi_events.parquet": events}).report.fingerprints == expected


def test_bulk_file_with_both_kinds(load, grocery):
    expected = load().report.fingerprints
    lines = []
    for index, rows in (("ubi_queries", grocery.queries), ("ubi_events", grocery.events)):
        for row in rows:
            lines += [{"index": {"_index": index}}, row]
    loaded = load(
        {"ubi_queries.ndjson": None, "ubi_events.ndjson": None, "log.ndjson": ndjson(*lines)},
        toml='[files]\nqueries = "log.ndjson"\nevents = "log.ndjson"',
    )
    assert loaded.report.fingerprints == expected
    assert loaded.report.rows[2:] == [
        {
            "file": "log.ndjson",
            "kind": "queries+events",
            "rows": 6,
            "accepted": 6,
            "quarantined": 0,
            "skipped": 6,
            "reasons": {},
        }
    ]


def test_line_numbers_of_a_bulk_file_count_every_line(load, grocery):
    lines = [line for row in grocery.queries for line in ({"create": {}}, row)]
    loaded = load({"ubi_queries.ndjson": ndjson(*lines, {"delete": {"_id": "1"}}, {"index": {}}, {"user_query": "x"})})
    assert loaded.rejects() == [("ubi_queries.ndjson", 9, Reason.MISSING_ID)]


def test_documents_of_a_search_response(load, grocery):
    expected = load().report.fingerprints
    rows = [{"_index": "ubi_queries", "_id": str(i), "_source": row} for i, row in enumerate(grocery.queries)]
    assert load({"ubi_queries.ndjson": rows}).report.fingerprints == expected


def test_mixed_parquet(load, grocery):
    expected = load().report.fingerprints
    loaded = load(
        {"ubi_queries.ndjson": None, "ubi_events.ndjson": None, "log.parquet": [*grocery.queries, *grocery.events]},
        toml='[files]\nqueries = "log.parquet"\nevents = "log.parquet"',
    )
    assert loaded.report.fingerprints == expected


def test_a_glob_names_several_files(load, grocery):
    expected = load().report.fingerprints
    loaded = load(
        {
            "ubi_queries.ndjson": None,
            "queries-1.csv": grocery.queries[:1],
            "queries-2.parquet": grocery.queries[1:2],
            "queries-3.jsonl.gz": grocery.queries[2:],
            "queries-4.ndjson": b"",
        },
        toml='[files]\nqueries = "queries-*"',
    )
    assert loaded.report.fingerprints == expected
    assert [row["accepted"] for row in loaded.report.rows if row["kind"] == "queries"] == [1, 1, 1, 0]


@pytest.mark.parametrize("name", ["ubi_queries.ndjson", "ubi_queries.parquet", "ubi_queries.csv"])
def test_ids_as_numbers(load, grocery, name):
    for number, product in enumerate(grocery.products):
        product["product_id"] = number
    queries = [row | {"query_id": i, "query_response_hit_ids": [0, 2]} for i, row in enumerate(grocery.queries)]
    events = [grocery.event(1, "", 2) | {"query_id": 1.0, "event_attributes": {"object": {"object_id": 2.0}}}]
    loaded = load({"products.jsonl": grocery.products, name: queries, "ubi_events.ndjson": events})
    assert loaded.rejects() == []
    assert loaded.ids("products", "product_id") == ["0", "1", "2"]
    assert [row["hit_ids"] for row in loaded.table("searches")] == [["0", "2"]] * 3
    assert [(row["query_id"], row["product_id"]) for row in loaded.table("events")] == [("1", "2")]


def test_whole_numbers_with_gaps_in_parquet(load, grocery, tmp_path):
    path = tmp_path / "events.parquet"
    columns = {
        "action_name": ["click", "click"],
        "query_id": ["q1", "q2"],
        "client_id": [7.0, None],
        "timestamp": pa.array([TEN, TEN], pa.timestamp("ns")),
        "object_id": pa.array([101.0, None], pa.float64()),
    }
    pq.write_table(pa.table(columns), path)
    grocery.products[0]["product_id"] = 101
    loaded = load(
        {"products.jsonl": grocery.products, "ubi_events.parquet": path.read_bytes()},
        toml='[columns.events]\nobject_id = "object_id"',
    )
    assert [(row["product_id"], row["client_id"]) for row in loaded.table("events")] == [("101", "7")]
    assert loaded.reasons("ubi_events.parquet") == {Reason.NO_OBJECT: 1}


def test_a_client_that_is_not_known_falls_back(load, grocery):
    grocery.queries[0] |= {"client_id": None, "session_id": "s1"}
    grocery.queries[1] |= {"client_id": None}
    loaded = load({"ubi_queries.ndjson": grocery.queries})
    found = {row["query_id"]: (row["client_id"], row["session_id"]) for row in loaded.table("searches")}
    assert found == {"q1": ("s1", "s1"), "q2": ("q2", "q2"), "q3": ("c3", "c3")}


def test_no_client_at_all_is_fine_where_sessions_are_known(load, grocery):
    for rows in (grocery.queries, grocery.events):
        for i, row in enumerate(rows):
            row |= {"client_id": None, "session_id": f"s{i}"}
    loaded = load({"ubi_queries.ndjson": grocery.queries, "ubi_events.ndjson": grocery.events})
    assert [row["client_id"] for row in loaded.table("searches")] == ["s0", "s1", "s2"]


def test_a_session_within_the_attributes(load, grocery):
    grocery.events[0]["event_attributes"]["session_id"] = "s1"
    loaded = load({"ubi_events.ndjson": grocery.events})
    assert {row["session_id"] for row in loaded.table("events")} == {"s1", None}


def test_renamed_columns(load, grocery):
    queries = [{"text" if key == "user_query" else key: value for key, value in row.items()} for row in grocery.queries]
    events = [
        {"action_name": e["action_name"], "query_id": e["query_id"], "client_id": "c", "timestamp": e["timestamp"]}
        | {"item": {"sku": e["event_attributes"]["object"]["object_id"]}}
        for e in grocery.events
    ]
    loaded = load(
        {"ubi_queries.ndjson": queries, "ubi_events.ndjson": events},
        toml='[columns.queries]\nuser_query = "text"\n[columns.events]\nobject_id = "item.sku"',
    )
    assert (loaded.report.searches, loaded.report.events) == (3, 3)


# Timestamps


@pytest.mark.parametrize(
    "stamp",
    [
        "2026-05-01T10:00:00Z",
        "2026-05-01T10:00:00",
        "2026-05-01 10:00",
        "2026-05-01T10:00:00.000Z",
        "2026-05-01T12:00:00+02:00",
        "2026-05-01T12:00:00.000+0200",
        "2026-05-01T05:30:00-04:30",
        1777629600000,
        1777629600000.0,
        "1777629600000",
    ],
)
def test_every_spelling_of_a_moment(load, grocery, stamp):
    grocery.queries[0]["timestamp"] = stamp
    files = ["ubi_queries.ndjson"]
    if isinstance(stamp, str):
        files += ["ubi_queries.csv", "ubi_queries.parquet"]
    for name in files:
        loaded = load({name: grocery.queries})
        assert [row["at"] for row in loaded.table("searches") if row["query_id"] == "q1"] == [TEN]


@pytest.mark.parametrize(
    "values",
    [
        pa.array([TEN] * 3, pa.timestamp("s")),
        pa.array([TEN] * 3, pa.timestamp("ms")),
        pa.array([TEN] * 3, pa.timestamp("us", tz="UTC")),
        pa.array([TEN.replace(tzinfo=UTC)] * 3, pa.timestamp("ns", tz="America/New_York")),
        pa.array([1777629600000] * 3, pa.int64()),
        pa.array([1777629600000] * 3, pa.float64()),
        pa.array(["2026-05-01T10:00:00Z"] * 3).dictionary_encode(),
    ],
    ids=lambda values: str(values.type),
)
def test_every_type_of_timestamp_in_parquet(load, grocery, tmp_path, values):
    table = pa.Table.from_pylist(grocery.queries)
    table = table.set_column(table.column_names.index("timestamp"), "timestamp", values)
    pq.write_table(table, tmp_path / "q.parquet")
    loaded = load({"ubi_queries.parquet": (tmp_path / "q.parquet").read_bytes()})
    assert {row["at"] for row in loaded.table("searches")} == {TEN}


# Parquet in bad shape


def invalid_text(rows: int) -> pa.StringArray:
    """The last row is not UTF-8, which Arrow does not check."""
    data = b"a" * (rows - 1) + b"\xe9"
    offsets = b"".join(i.to_bytes(4, "little") for i in range(rows + 1))
    return pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(data))


def test_text_in_parquet_that_is_no_utf_8_costs_its_row_only(load, grocery, tmp_path):
    table = pa.Table.from_pylist(grocery.queries).append_column("application", invalid_text(3))
    table = table.set_column(1, "user_query", invalid_text(3))
    pq.write_table(table, tmp_path / "q.parquet")
    loaded = load({"ubi_queries.parquet": (tmp_path / "q.parquet").read_bytes()})
    assert loaded.rejects() == [("ubi_queries.parquet", 3, Reason.NOT_UTF8)]
    assert [row["at"] for row in loaded.table("searches")] == [TEN, TEN.replace(day=2)]
    assert loaded.table("searches")[0]["hit_ids"] == ["p1", "p2"]


def test_a_cut_parquet_file_is_an_error(make_shop, grocery, tmp_path):
    pq.write_table(pa.Table.from_pylist(grocery.queries), tmp_path / "q.parquet")
    whole = (tmp_path / "q.parquet").read_bytes()
    with pytest.raises(ShopError, match=r"ubi_queries.parquet is not a sound Parquet file"):
        ingest(make_shop({"ubi_queries.parquet": whole[:-20]}), now=grocery.now)


def test_samples_of_parquet_rows_are_json(load, grocery):
    grocery.queries[0]["user_query"] = ""
    loaded = load({"ubi_queries.parquet": grocery.queries})
    assert json.loads(loaded.table("quarantine")[0]["row"])["query_id"] == "q1"
