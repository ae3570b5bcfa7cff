from __future__ import annotations

import gzip
import json
import random
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.csvfile import read_records
from domain.errors import ShopError, StageMissing, TooManyRejects
from domain.ingest import ingest
from domain.quarantine import SET_ASIDE, Reason
from domain.shop import open_shop

ELECTRONICS = Path(__file__).resolve().parents[2] / "../shared/data/electronics"


def test_every_row_of_a_sound_shop_is_accepted(load):
    loaded = load()
    report = loaded.report
    assert (report.categories, report.products, report.searches, report.events) == (3, 3, 3, 3)
    assert report.first_ordinal == 1
    assert loaded.rejects() == []
    assert [(row["kind"], row["rows"], row["accepted"]) for row in report.rows] == [
        ("taxonomy", 3, 3),
        ("products", 3, 3),
        ("queries", 3, 3),
        ("events", 3, 3),
    ]


def test_warehouse_holds_the_documented_columns(load):
    loaded = load()
    assert loaded.table("taxonomy") == [
        {"category_id": "food", "parent_id": None, "name": "Food"},
        {"category_id": "milk", "parent_id": "food", "name": "Milk"},
        {"category_id": "bars", "parent_id": "food", "name": "Protein Bars"},
    ]
    assert loaded.table("products")[1] == {
        "product_id": "p2",
        "title": "1% milk 1 l",
        "category_id": "milk",
        "brand": None,
        "description": None,
        "price": None,
        "popularity": None,
        "quality": None,
        "in_stock": True,
        "image_url": None,
        "attributes": '{"bio":true,"fat":1}',
    }
    searches = {row["query_id"]: row for row in loaded.table("searches")}
    assert searches["q3"] == {
        "query_id": "q3",
        "client_id": "c3",
        "session_id": "c3",
        "application": None,
        "at": datetime(2026, 5, 3, 10, tzinfo=UTC).replace(tzinfo=None),
        "raw_query": "1% milk!",
        "query": "1% milk",
        "hit_ids": [],
    }
    events = {(row["query_id"], row["action"]): row for row in loaded.table("events")}
    assert events["q2", "add_to_cart"] == {
        "query_id": "q2",
        "client_id": "c2",
        "session_id": None,
        "at": datetime(2026, 5, 2, 10, 1, tzinfo=UTC).replace(tzinfo=None),
        "action": "add_to_cart",
        "product_id": "p3",
        "position": 1,
    }


def test_the_report_is_written_with_the_warehouse(load):
    loaded = load()
    written = json.loads((loaded.shop.warehouse / "ingest.json").read_text("utf-8"))
    assert written == json.loads(json.dumps(loaded.report.to_json()))
    assert set(written["fingerprints"]) == {"catalogue", "shop"}


def test_taxonomy_comes_back_in_the_order_of_the_file(load):
    tree = load().shop.load_taxonomy()
    assert list(tree) == ["food", "milk", "bars"]
    assert tree.path("bars") == ("Food", "Protein Bars")


def test_taxonomy_needs_ingest(make_shop):
    with pytest.raises(StageMissing) as caught:
        make_shop().load_taxonomy()
    assert "querywise ingest" in caught.value.hint


# What becomes of a bad category


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"category_id": "milk", "parent_id": None, "name": "Again"}, Reason.DUPLICATE_ID),
        ({"category_id": "x", "parent_id": "nowhere", "name": "Orphan"}, Reason.UNKNOWN_PARENT),
        ({"category_id": "x", "parent_id": "x", "name": "Own parent"}, Reason.CYCLE),
        ({"category_id": "", "parent_id": "food", "name": "No id"}, Reason.MISSING_ID),
        ({"category_id": "x", "parent_id": "food", "name": " "}, Reason.MISSING_NAME),
        ({"category_id": "x" * 201, "parent_id": "food", "name": "Long id"}, Reason.BAD_ID),
    ],
)
def test_a_bad_category_is_quarantined(load, grocery, bad, reason):
    loaded = load({"taxonomy.csv": [*grocery.taxonomy, bad]})
    assert loaded.rejects() == [("taxonomy.csv", 5, reason)]
    assert loaded.report.categories == 3


def test_a_cycle_and_all_below_it_are_quarantined(load, grocery):
    rows = [
        {"category_id": "a", "parent_id": "c", "name": "A"},
        {"category_id": "b", "parent_id": "a", "name": "B"},
        {"category_id": "c", "parent_id": "b", "name": "C"},
        {"category_id": "under", "parent_id": "a", "name": "Under a cycle"},
        {"category_id": "deeper", "parent_id": "under", "name": "Deeper"},
        {"category_id": "lost", "parent_id": "gone", "name": "Lost"},
        {"category_id": "child of lost", "parent_id": "lost", "name": "Child"},
    ]
    loaded = load({"taxonomy.csv": [*rows, *grocery.taxonomy]})
    assert loaded.reasons("taxonomy.csv") == {Reason.UNKNOWN_PARENT: 4, Reason.CYCLE: 3}
    assert {line: reason for _, line, reason in loaded.rejects()} == {
        2: Reason.CYCLE,
        3: Reason.CYCLE,
        4: Reason.CYCLE,
        5: Reason.UNKNOWN_PARENT,
        6: Reason.UNKNOWN_PARENT,
        7: Reason.UNKNOWN_PARENT,
        8: Reason.UNKNOWN_PARENT,
    }
    assert list(loaded.shop.load_taxonomy()) == ["food", "milk", "bars"]


def test_a_child_of_a_category_without_a_name_is_an_orphan(load, grocery):
    rows = [
        {"category_id": "n", "parent_id": "food", "name": ""},
        {"category_id": "m", "parent_id": "n", "name": "Child"},
    ]
    loaded = load({"taxonomy.csv": [*grocery.taxonomy, *rows]})
    assert loaded.rejects() == [
        ("taxonomy.csv", 5, Reason.MISSING_NAME),
        ("taxonomy.csv", 6, Reason.UNKNOWN_PARENT),
    ]


def test_a_chain_of_ten_thousand_categories_loads(load, grocery):
    chain = [{"category_id": str(i), "parent_id": str(i + 1), "name": f"Level {i}"} for i in range(10_000)]
    end = {"category_id": "10000", "parent_id": None, "name": "Top"}
    assert load({"taxonomy.csv": [*grocery.taxonomy, *chain, end]}).report.categories == 10_004


# What becomes of a bad product


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"product_id": "p1"}, Reason.DUPLICATE_ID),
        ({"product_id": None}, Reason.MISSING_ID),
        ({"product_id": True}, Reason.BAD_ID),
        ({"product_id": {"id": 1}}, Reason.BAD_ID),
        ({"product_id": "a\tb"}, Reason.BAD_ID),
        ({"title": ""}, Reason.MISSING_NAME),
        ({"title": ["a", "b"]}, Reason.BAD_TEXT),
        ({"title": "\ud800"}, Reason.NOT_UTF8),
        ({"category_id": "cheese"}, Reason.UNKNOWN_CATEGORY),
        ({"category_id": None}, Reason.MISSING_CATEGORY),
        ({"price": -0.01}, Reason.NEGATIVE_PRICE),
        ({"price": "12,99"}, Reason.BAD_PRICE),
        ({"price": "inf"}, Reason.BAD_PRICE),
        ({"popularity": -1}, Reason.BAD_POPULARITY),
        ({"quality": 1.01}, Reason.BAD_QUALITY),
        ({"in_stock": "perhaps"}, Reason.BAD_STOCK),
        ({"attributes": ["a"]}, Reason.BAD_ATTRIBUTES),
        ({"attributes": {"a": {"b": 1}}}, Reason.BAD_ATTRIBUTES),
        ({"attributes": "{not json"}, Reason.BAD_ATTRIBUTES),
    ],
)
def test_a_bad_product_is_quarantined(load, grocery, change, reason):
    bad = {"product_id": "p9", "title": "Butter", "category_id": "milk"} | change
    lines = [json.dumps(row) for row in (*grocery.products, bad)]
    loaded = load({"products.jsonl": "\n".join(lines)})
    assert loaded.rejects() == [("products.jsonl", 4, reason)]
    assert loaded.report.products == 3


@pytest.mark.parametrize(
    "line", ["{", "[]", "3", "null", '{"a": NaN}', "[" * 100_000, '{"a":' * 5000 + "1" + "}" * 5000]
)
def test_a_line_that_is_no_object_is_malformed(load, grocery, line):
    lines = [json.dumps(row) for row in grocery.products]
    loaded = load({"products.jsonl": "\n".join([lines[0], line, *lines[1:]])})
    assert loaded.rejects() == [("products.jsonl", 2, Reason.MALFORMED_JSON)]


def test_a_product_of_a_quarantined_category_is_quarantined(load, grocery):
    orphan = {"category_id": "x", "parent_id": "nowhere", "name": "Orphan"}
    product = {"product_id": "p9", "title": "Butter", "category_id": "x"}
    loaded = load({"taxonomy.csv": [*grocery.taxonomy, orphan], "products.jsonl": [*grocery.products, product]})
    assert loaded.reasons("products.jsonl") == {Reason.UNKNOWN_CATEGORY: 1}


def test_in_stock_reads_what_people_write(load, grocery):
    flags = ["true", "TRUE", "1", "yes", "false", "0", "no", ""]
    rows = [{"product_id": f"s{i}", "title": "T", "category_id": "milk", "in_stock": f} for i, f in enumerate(flags)]
    loaded = load({"products.csv": [{**row} for row in rows], "ubi_events.ndjson": None})
    found = [row["in_stock"] for row in loaded.table("products")]
    assert found == [True, True, True, True, False, False, False, True]


# The stop


def test_too_many_rejects_stop_the_load_and_keep_the_rows(make_shop, grocery):
    bad = [{"product_id": f"b{i}", "title": "Bad", "category_id": "cheese"} for i in range(2)]
    shop = make_shop({"products.jsonl": [*grocery.products, *bad]}, allow=0.39)
    with pytest.raises(TooManyRejects, match=r"products.jsonl: 40.0% of 5 rows.*unknown category \(2\)"):
        ingest(shop, now=grocery.now)
    assert not shop.warehouse.exists()
    assert (shop.work / "quarantine.parquet").is_file()
    assert [path.name for path in shop.work.iterdir()] == ["quarantine.parquet"]


def test_the_share_itself_is_allowed(load, grocery):
    bad = [{"product_id": f"b{i}", "title": "Bad", "category_id": "cheese"} for i in range(2)]
    assert load({"products.jsonl": [*grocery.products, *bad]}, allow=0.4).report.products == 3


def test_too_many_rejects_in_the_log(make_shop, grocery):
    events = [grocery.event(1, "nobody has this"), *grocery.events]
    shop = make_shop({"ubi_events.ndjson": events}, allow=0.2)
    with pytest.raises(TooManyRejects, match=r"ubi_events.ndjson: 25.0% of 4 rows.*unknown product \(1\)"):
        ingest(shop, now=grocery.now)
    assert (shop.work / "quarantine.parquet").is_file()


def test_rows_of_no_use_do_not_stop_the_load(load, grocery):
    browsing = [{**grocery.event(1, "p1"), "query_id": None}, {**grocery.event(1, "p1"), "event_attributes": None}]
    empty = {**grocery.queries[0], "query_id": "q9", "user_query": ""}
    personal = {**grocery.queries[0], "query_id": "q10", "user_query": "anna@example.com"}
    queries = [*grocery.queries, empty, personal]
    loaded = load({"ubi_events.ndjson": [*grocery.events, *browsing], "ubi_queries.ndjson": queries}, allow=0.0)
    assert {reason for _, _, reason in loaded.rejects()} == SET_ASIDE


def test_a_failed_load_leaves_the_old_warehouse(make_shop, grocery):
    shop = make_shop(allow=0.0)
    before = ingest(shop, now=grocery.now)
    (shop.folder / "products.jsonl").write_bytes(b"{}\nnot json\n" * 3)
    with pytest.raises(ShopError):
        ingest(shop, now=grocery.now)
    assert json.loads((shop.warehouse / "ingest.json").read_text("utf-8"))["products"] == before.products
    assert sorted(path.name for path in shop.work.iterdir()) in (["quarantine.parquet", "warehouse"], ["warehouse"])


def test_a_second_load_replaces_the_first(make_shop, grocery):
    shop = make_shop()
    ingest(shop, now=grocery.now)
    (shop.folder / "products.jsonl").write_text(json.dumps(grocery.products[0]) + "\n", encoding="utf-8")
    assert ingest(shop, now=grocery.now).products == 1
    assert [path.name for path in shop.work.iterdir()] == ["warehouse"]


def test_the_shop_folder_is_only_read(make_shop, grocery):
    shop = make_shop()
    before = {path.name: path.stat().st_mtime_ns for path in shop.folder.iterdir()}
    ingest(shop, now=grocery.now)
    assert {path.name: path.stat().st_mtime_ns for path in shop.folder.iterdir()} == before


# Empty and missing


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("taxonomy.csv", b""),
        ("taxonomy.csv", b"category_id,parent_id,name\r\n"),
        ("products.jsonl", b""),
        ("products.jsonl", b"\n\n"),
        ("products.csv", b"product_id,title,category_id\n"),
        ("products.parquet", b""),
        ("products.parquet", b"PAR1 not really"),
        ("ubi_queries.ndjson", b""),
        ("ubi_queries.csv", b"query_id,user_query,client_id,timestamp\n"),
        ("ubi_queries.parquet", b""),
    ],
)
def test_an_empty_file_that_is_needed_is_an_error(make_shop, grocery, file, content):
    with pytest.raises(ShopError) as caught:
        ingest(make_shop({file: content}), now=grocery.now)
    assert file.split(".")[0] in str(caught.value) or "no search was accepted" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\n", None])
def test_a_shop_without_events_loads(load, content):
    loaded = load({"ubi_events.ndjson": content})
    assert (loaded.report.events, loaded.table("events")) == (0, [])


@pytest.mark.parametrize("kind", ["taxonomy.csv", "products.jsonl", "ubi_queries.ndjson"])
def test_a_missing_file_is_named(make_shop, grocery, kind):
    with pytest.raises(ShopError, match=kind.split(".")[0].removeprefix("ubi_")):
        ingest(make_shop({kind: None}), now=grocery.now)


@pytest.mark.parametrize(
    ("file", "column"),
    [
        ("taxonomy.csv", "category_id"),
        ("taxonomy.csv", "parent_id"),
        ("taxonomy.parquet", "name"),
        ("products.jsonl", "title"),
        ("products.csv", "product_id"),
        ("products.parquet", "category_id"),
        ("ubi_queries.ndjson", "user_query"),
        ("ubi_queries.csv", "query_id"),
        ("ubi_queries.parquet", "timestamp"),
        ("ubi_queries.ndjson", "timestamp"),
        ("ubi_events.ndjson", "query_id"),
        ("ubi_events.csv", "action_name"),
        ("ubi_events.parquet", "client_id"),
        ("ubi_events.ndjson", "action_name"),
    ],
)
def test_a_missing_column_is_named_with_its_file(make_shop, grocery, file, column):
    kind = file.split(".")[0].removeprefix("ubi_")
    rows = [{name: value for name, value in row.items() if name != column} for row in getattr(grocery, kind)]
    shop = make_shop({file: rows})
    with pytest.raises(ShopError, match=f"{file}: column '{column}' is missing"):
        ingest(shop, now=grocery.now)


def test_a_column_under_another_name(load, grocery):
    rows = [{"sku" if name == "product_id" else name: value for name, value in row.items()} for row in grocery.products]
    loaded = load({"products.csv": rows}, toml='[columns.products]\nproduct_id = "sku"')
    assert loaded.ids("products", "product_id") == ["p1", "p2", "p3"]


# Bytes


def test_windows_1252_is_quarantined_by_line(load, grocery):
    lines = [json.dumps(row).encode() for row in grocery.products]
    bad = '{"product_id": "p9", "title": "Crème brûlée", "category_id": "milk"}'.encode("cp1252")
    loaded = load({"products.jsonl": b"\n".join([lines[0], bad, *lines[1:]])})
    assert loaded.rejects() == [("products.jsonl", 2, Reason.NOT_UTF8)]
    assert loaded.table("quarantine")[0]["row"].startswith('{"product_id": "p9", "title": "Cr\ufffdme')


def test_windows_1252_in_csv_is_quarantined_by_line(load):
    text = "category_id,parent_id,name\nfood,,Food\nmilk,food,Milk\nbars,food,Bars\nx,food,Café\n"
    loaded = load({"taxonomy.csv": text.encode("cp1252")})
    assert loaded.rejects() == [("taxonomy.csv", 5, Reason.NOT_UTF8)]


def test_bom_crlf_and_blank_lines_are_no_trouble(load):
    text = "\ufeffcategory_id,parent_id,name\r\nfood,,Food\r\n\r\nmilk,food,Milk\r\nbars,food,Bars\r\n"
    loaded = load({"taxonomy.csv": text.encode()})
    assert loaded.rejects() == []
    assert [row["name"] for row in loaded.table("taxonomy")] == ["Food", "Milk", "Bars"]


def test_bom_and_crlf_in_json_lines(load, grocery):
    lines = [json.dumps(row) for row in grocery.queries]
    loaded = load({"ubi_queries.ndjson": ("\ufeff" + "\r\n\r\n".join(lines) + "\r\n").encode()})
    assert (loaded.report.searches, loaded.rejects()) == (3, [])


def test_nul_bytes_are_quarantined(load, grocery):
    lines = [json.dumps(row).encode() for row in grocery.products]
    text = b"category_id,parent_id,name\nfood,,Food\nmilk,food,Milk\nbars,food,Bars\nx,food,N\0L\n"
    loaded = load({"products.jsonl": b"\n".join([*lines, b'{"product_id": "\0"}']), "taxonomy.csv": text})
    assert loaded.rejects() == [("products.jsonl", 4, Reason.NUL_BYTE), ("taxonomy.csv", 5, Reason.NUL_BYTE)]


def test_utf_16_is_named(make_shop, grocery):
    shop = make_shop({"taxonomy.csv": "category_id,parent_id,name\nfood,,Food\n".encode("utf-16")})
    with pytest.raises(ShopError, match="UTF-16"):
        ingest(shop, now=grocery.now)


@pytest.mark.parametrize(
    "file", ["products.jsonl.gz", "taxonomy.csv.gz", "ubi_queries.ndjson.gz", "ubi_events.jsonl.gz"]
)
@pytest.mark.parametrize("keep", [0.5, 0.98])
def test_a_truncated_gzip_is_an_error(make_shop, grocery, file, keep):
    kind = file.split(".")[0].removeprefix("ubi_")
    rows = getattr(grocery, kind) * 1000
    text = "".join(json.dumps(row) + "\n" for row in rows) if "csv" not in file else "category_id,parent_id,name\n" * 99
    whole = gzip.compress(text.encode())
    with pytest.raises(ShopError, match=f"{file}.*damaged gzip"):
        ingest(make_shop({file: whole[: int(len(whole) * keep)]}), now=grocery.now)


def test_a_gzip_that_is_none_is_an_error(make_shop, grocery):
    with pytest.raises(ShopError, match="damaged gzip"):
        ingest(make_shop({"products.jsonl.gz": b"plain text"}), now=grocery.now)


def test_quoted_line_ends_and_semicolons_in_csv(load):
    text = 'category_id;parent_id;name\nfood;;"Food\nand; drink"\nmilk;food;"Say ""milk"""\nbars;food;5" bars\n'
    loaded = load({"taxonomy.csv": text})
    assert [row["name"] for row in loaded.table("taxonomy")] == ["Food\nand; drink", 'Say "milk"', '5" bars']


def test_an_unclosed_quote_costs_its_own_line_only(load):
    rows = [f"c{i},food,Name {i}" for i in range(3000)]
    text = "\n".join(["category_id,parent_id,name", "food,,Food", 'milk,food,"Milk', *rows, "bars,food,Bars", ""])
    loaded = load({"taxonomy.csv": text})
    assert [reject for reject in loaded.rejects() if reject[0] == "taxonomy.csv"] == [
        ("taxonomy.csv", 3, Reason.MALFORMED_CSV)
    ]
    assert loaded.report.categories == 3002


def test_a_csv_row_of_another_width_is_quarantined(load):
    text = "category_id,parent_id,name\nfood,,Food\nmilk,food\nbars,food,Bars,more\nmilk,food,Milk\n"
    loaded = load({"taxonomy.csv": text, "products.jsonl": [{"product_id": "1", "title": "t", "category_id": "milk"}]})
    assert [r for r in loaded.rejects() if r[0] == "taxonomy.csv"] == [
        ("taxonomy.csv", 3, Reason.MALFORMED_CSV),
        ("taxonomy.csv", 4, Reason.MALFORMED_CSV),
    ]


def test_a_line_over_sixteen_megabytes_is_quarantined(load, grocery):
    lines = [json.dumps(row).encode() for row in grocery.products]
    loaded = load({"products.jsonl": b"\n".join([lines[0], b"x" * (21 << 20), *lines[1:], b""])})
    assert loaded.rejects() == [("products.jsonl", 2, Reason.LINE_TOO_LONG)]
    assert loaded.report.products == 3
    assert loaded.table("quarantine")[0]["row"] == "x" * 500


CSV_BYTES = st.lists(
    st.sampled_from([b"a", b",", b'"', b"\n", b"\r\n", b"\r", b"\xe9", "é".encode(), b"\0", b" "])
).map(b"".join)


@settings(max_examples=300, deadline=None)
@given(CSV_BYTES)
def test_every_line_of_a_csv_file_is_in_one_record(body):
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "t.csv")
        path.write_bytes(b"x,y\n" + body)
        records = list(read_records(path))
    kept = b"".join(record.text.encode(errors="surrogateescape") for record in records)
    assert [line for line in kept.splitlines(keepends=True) if line.strip(b"\r\n")] == [
        line for line in body.splitlines(keepends=True) if line.strip(b"\r\n")
    ]
    assert all(record.problem or len(record.fields) == 2 for record in records)


# Fingerprints


SUFFIXES = ("csv", "csv.gz", "jsonl", "ndjson.gz", "parquet")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_fingerprints_do_not_depend_on_format_or_order(load, grocery, suffix):
    expected = load().report.fingerprints
    shuffled = random.Random(7)
    files = {}
    for stem, rows in (
        ("taxonomy", grocery.taxonomy),
        ("products", grocery.products),
        ("ubi_queries", grocery.queries),
        ("ubi_events", grocery.events),
    ):
        shuffled.shuffle(rows)
        files[f"{stem}.{suffix}"] = rows
    loaded = load(files)
    assert loaded.rejects() == []
    assert loaded.report.fingerprints == expected


@pytest.mark.parametrize(
    ("file", "row", "key", "value", "catalogue"),
    [
        ("taxonomy.csv", 1, "name", "Milks", False),
        ("products.jsonl", 0, "price", 1.26, False),
        ("ubi_queries.ndjson", 0, "user_query", "MILK", True),
        ("ubi_queries.ndjson", 2, "query_response_hit_ids", None, True),
        ("ubi_events.ndjson", 0, "action_name", "view", True),
    ],
)
def test_fingerprints_depend_on_content(load, grocery, file, row, key, value, catalogue):
    before = load().report.fingerprints
    rows = getattr(grocery, file.split(".")[0].removeprefix("ubi_"))
    rows[row][key] = value
    after = load({file: rows}).report.fingerprints
    assert after["shop"] != before["shop"]
    assert (after["catalogue"] == before["catalogue"]) is catalogue


# Nothing is lost


JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.lists(st.integers(), max_size=2)
)
IDS = st.one_of(st.sampled_from(["q1", "q2", "p1", "p2", "milk", "food", ""]), JUNK)
TIMES = st.one_of(st.sampled_from(["2026-05-01T00:00:00Z", "1970-01-01", "2030-01-01", 1777600000000, "soon"]), JUNK)


def _documents(**fields):
    return st.fixed_dictionaries({}, optional=fields)


LINES = {
    "taxonomy.jsonl": _documents(category_id=IDS, parent_id=IDS, name=JUNK),
    "products.jsonl": _documents(product_id=IDS, title=JUNK, category_id=IDS, price=JUNK, attributes=JUNK),
    "ubi_queries.ndjson": _documents(
        query_id=IDS, user_query=JUNK, client_id=IDS, timestamp=TIMES, query_response_hit_ids=JUNK
    ),
    "ubi_events.ndjson": _documents(
        action_name=JUNK,
        query_id=IDS,
        client_id=IDS,
        timestamp=TIMES,
        event_attributes=st.one_of(JUNK, _documents(object=st.one_of(JUNK, _documents(object_id=IDS)), position=JUNK)),
    ),
}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_accepted_and_quarantined_make_the_rows_read(data):
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "shop")
        folder.mkdir()
        expected = {}
        for file, documents in LINES.items():
            first = json.dumps(FIRST[file]).encode()
            more = st.one_of(documents.map(lambda row: json.dumps(row).encode()), st.binary(max_size=20))
            lines = [first, *(line.replace(b"\n", b"") for line in data.draw(st.lists(more, max_size=6)))]
            (folder / file).write_bytes(b"\n".join(lines))
            expected[file] = sum(bool(line.strip(b" \t\r")) for line in lines)
        (folder / "shop.toml").write_text(
            'name = "x"\nlocale = "en"\ncurrency = "EUR"\n[ingest]\nmax_reject_share = 1\n', encoding="utf-8"
        )
        shop = open_shop(folder, work=Path(place, "work"))
        report = ingest(shop)
        assert {row["file"]: row["rows"] for row in report.rows} == expected
        kept = pq.read_metadata(shop.warehouse / "quarantine.parquet").num_rows
        accepted = report.categories + report.products + report.searches + report.events
        assert kept + accepted == sum(expected.values())


FIRST = {
    "taxonomy.jsonl": {"category_id": "food", "parent_id": None, "name": "Food"},
    "products.jsonl": {"product_id": "p1", "title": "T", "category_id": "food"},
    "ubi_queries.ndjson": {"query_id": "q1", "user_query": "t", "client_id": "c", "timestamp": "2026-05-01T00:00:00Z"},
    "ubi_events.ndjson": {
        "action_name": "click",
        "query_id": "q1",
        "client_id": "c",
        "timestamp": "2026-05-01T00:00:00Z",
        "event_attributes": {"object": {"object_id": "p1"}},
    },
}


@pytest.mark.skipif(not ELECTRONICS.is_dir(), reason="the electronics shop is not beside the checkout")
def test_the_electronics_shop_loads_whole(tmp_path):
    shop = open_shop(ELECTRONICS, work=tmp_path)
    report = ingest(shop)
    assert (report.categories, report.products, report.searches, report.events) == (10_281, 19_406, 131_008, 132_104)
    assert report.first_ordinal == 1
    assert sum(row["quarantined"] for row in report.rows) == 0
    assert timedelta(seconds=report.seconds) < timedelta(minutes=1)


def test_a_search_with_personal_data_is_kept_nowhere(load, grocery):
    typed = ["anna@example.com", "call +1 212 555 0187", "Milk for 4111 1111 1111 1111"]
    queries = [{**grocery.queries[0], "query_id": f"s{i}", "user_query": text} for i, text in enumerate(typed)]
    loaded = load({"ubi_queries.ndjson": [*grocery.queries, *queries]})
    [report] = [file for file in loaded.report.files if "queries" in file.kind]
    assert report.quarantined == {Reason.PERSONAL_DATA: 3} and report.accepted == len(grocery.queries)
    rows = pq.read_table(loaded.shop.warehouse / "quarantine.parquet").column("row").to_pylist()
    assert sum("[card]" in row for row in rows) == sum("[email]" in row for row in rows) == 1
    text = " ".join([*rows, *map(str, loaded.table("searches"))])
    assert "example.com" not in text and "555 0187" not in text and "4111" not in text


def test_personal_data_is_taken_out_of_rows_that_are_rejected_for_another_reason(load, grocery, monkeypatch):
    monkeypatch.setattr("domain.quarantine.SAMPLES", 2)
    monkeypatch.setattr("domain.ingest.SAMPLES", 2)
    typed = {"user_query": "milk for anna@example.com", "client_id": "+1 212 555 0187"}
    queries = [
        *grocery.queries,
        *({**grocery.queries[0], "query_id": f"s{i}", "timestamp": "never"} | typed for i in range(3)),
    ]
    event = {**grocery.events[0], "query_id": None, "message": "I paid with 4111 1111 1111 1111"}
    loaded = load(
        {
            "products.csv": [*grocery.products, {"product_id": "x", "title": "Call 212-555-0187", "category_id": "?"}],
            "ubi_queries.ndjson": "\n".join([*map(json.dumps, queries), '{"user_query": "anna@example.com']),
            "ubi_events.ndjson": [*grocery.events, event],
        }
    )
    rows = pq.read_table(loaded.shop.warehouse / "quarantine.parquet").to_pylist()
    assert {row["reason"] for row in rows} == {
        Reason.BAD_TIMESTAMP, Reason.MALFORMED_JSON, Reason.NO_QUERY, Reason.UNKNOWN_CATEGORY,
    }  # fmt: skip
    text = " ".join(str(row["row"]) for row in rows)
    assert "example.com" not in text and "555" not in text and "4111" not in text
    # Two of the three lines of one reason are kept, and the third is only told of.
    unread = [row for row in rows if row["reason"] == Reason.BAD_TIMESTAMP]
    assert [row["line"] for row in unread] == [4, 5, 6] and [row["row"] is None for row in unread] == [0, 0, 1]
    assert all("milk for [email]" in row["row"] and "[phone]" in row["row"] for row in unread[:2])
