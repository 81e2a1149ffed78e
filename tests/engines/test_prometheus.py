"""What Prometheus answers, and what a server that is none does; tests/cluster asks a real one."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

import pytest

from helixctl.core.stats import Stats
from helixctl.engines import Query, Subject, reduce
from helixctl.errors import StorageRefused, Usage

SUBJECT = Subject("acme/m", "1.0.0")
SINCE, UNTIL = datetime(2026, 11, 22, 12, tzinfo=UTC), datetime(2026, 11, 22, 13, tzinfo=UTC)
LABELS = {"gen_ai_request_model": "m"}
Counts = dict[str, Any]


class Server(HTTPServer):
    """One that gives the same answers to each query of a kind, and keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.code, self.body = 200, b""
        self.before: list[Any] = []
        self.within: list[Any] = []
        self.asked: list[tuple[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        query = form["query"][0]
        self.server.asked.append((query, self.headers.get("Authorization")))
        if query == "time()":
            data: Any = {"resultType": "scalar", "result": [0, str(UNTIL.timestamp())]}
        else:
            data = {"result": self.server.before if query.startswith("last_over_time") else self.server.within}
        self.send_response(self.server.code)
        self.end_headers()
        self.wfile.write(self.server.body or json.dumps({"status": "success", "data": data}).encode())

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def series(*samples: tuple[int, Counts], **labels: str) -> list[Any]:
    """Return the matrix of a histogram: by minute, its cumulative buckets."""
    bounds = list(dict.fromkeys(bound for _, counts in samples for bound in counts))
    return [
        {
            "metric": {"__name__": "x_seconds_bucket", **LABELS, **labels, "le": bound},
            "values": [
                [SINCE.timestamp() + 60 * minute, str(counts[bound])] for minute, counts in samples if bound in counts
            ],
        }
        for bound in bounds
    ]


def asked(server: Server, **more: Any) -> Any:
    query = {"connect": server.url, "table": "x_seconds", "since": SINCE, "until": UNTIL, **more}
    return reduce([], SUBJECT, Query(**query))


def test_buckets_are_told_apart_and_what_was_before_does_not_count(server: Server) -> None:
    server.before = series((0, {"0.5": 10, "2.3": 20, "+Inf": 30}))
    server.within = series((0, {"0.5": 10, "2.3": 20, "+Inf": 30}), (1, {"0.5": 12, "2.3": 25, "+Inf": 36}))
    found = asked(server)
    assert found.stats.totals().latencies == ((500, 2), (2300, 3), (10**12, 1))
    assert found.best.totals().latencies == ((0, 2), (501, 3), (2301, 1))
    assert found.stats.latest == datetime(2026, 11, 22, 12, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("labels", "columns", "is_told"),
    [({}, {}, True), ({"error_type": "timeout"}, {}, False), ({}, {"error": "code"}, False)],
)
def test_that_no_series_has_a_label_of_failures_is_told(
    server: Server, labels: dict[str, str], columns: dict[str, str], *, is_told: bool
) -> None:
    server.before = series((0, {"1": 0, "+Inf": 0}), **labels)
    server.within = series((1, {"1": 4, "+Inf": 9}), **labels)
    assert ("no series has a label 'error_type'" in " ".join(asked(server, columns=columns).notes)) == is_told


@pytest.mark.parametrize(
    ("samples", "requests"),
    [
        (((1, {"1": 4, "+Inf": 9}), (2, {"1": 1, "+Inf": 2})), 5),  # a restart
        (((1, {"1": 5, "+Inf": 8}), (2, {"1": 5, "+Inf": 6})), 8),  # a restart that one bucket does not show
        (((1, {"1": 4, "+Inf": 9}), (2, {"1": 1, "5": 2, "+Inf": 3})), 6),  # other buckets
        (((1, {"1": 4, "+Inf": 7}),), 1),
        ((), 0),
    ],
)
def test_a_counter_that_fell_began_again(server: Server, samples: Any, requests: int) -> None:
    server.before, server.within = series((0, {"1": 4, "+Inf": 6})), series(*samples)
    assert asked(server).stats.totals().requests == requests


def test_the_first_failure_of_a_kind_counts_though_its_series_is_new(server: Server) -> None:
    server.before = series((0, {"1": 4, "+Inf": 4}))
    server.within = series((1, {"1": 9, "+Inf": 9})) + series((1, {"1": 0, "+Inf": 1}), error_type="429")
    totals = asked(server).stats.totals()
    assert (totals.requests, totals.failures, totals.errors["rate_limit"]) == (6, 1, 1)


def test_a_series_without_a_sample_before_the_range_counts_whole_and_that_is_said(server: Server) -> None:
    server.before = series((0, {"1": 4, "+Inf": 6}))
    old = series((1, {"1": 900, "+Inf": 1000}), (2, {"1": 901, "+Inf": 1002}), pod="b")
    other = series((1, {"1": 9, "+Inf": 9}), gen_ai_request_model="other")
    server.within = [*series((1, {"1": 5, "+Inf": 7})), *old, *other]
    found = asked(server)
    assert found.stats.totals().requests == 1003
    fact = "of 1 series nothing is known from the 30 days before: all that they had counted by their first sample counts (requests: 1000)"
    assert fact in found.notes
    server.within = series((1, {"1": 5, "+Inf": 7}))
    assert not any("nothing is known" in note for note in asked(server).notes)


def test_labels_say_by_a_column_map_what_failed_and_where(server: Server) -> None:
    server.within = series((1, {"250": 2, "+Inf": 3}), code="500", zone="eu") + series(
        (1, {"250": 5, "+Inf": 5}), code="200"
    )
    columns = {"success": "code != 500", "error": "code", "region": "zone", "latency_ms": "le"}
    found = asked(server, table="x_bucket", columns=columns, where=(("gen_ai_request_model", 'a"b'),))
    totals = found.stats.totals()
    assert (totals.failures, totals.errors["server"], totals.latencies) == (3, 3, ((250, 5),))
    assert {group.region for group in found.stats.groups} == {"", "eu"}
    assert server.asked[-1][0] == 'x_bucket{gen_ai_request_model="a\\"b"}[3600000ms]'


def test_now_is_what_the_server_says_and_the_password_goes_to_it_alone(server: Server) -> None:
    asked(server, until=None, connect=server.url.replace("//", "//me:p%40ss@"))
    assert server.asked[1] == ("time()", f"Basic {base64.b64encode(b'me:p@ss').decode()}")


def test_no_series_is_no_data_and_says_so(server: Server) -> None:
    found = asked(server)
    assert (found.stats, found.notes) == (Stats(), ("nothing counted in x_seconds_bucket{} since then",))


@pytest.mark.parametrize("value", ["NaN", "+Inf"])
def test_what_is_no_number_makes_all_unknown(server: Server, value: str) -> None:
    server.within = series((1, {"1": 100, "+Inf": 100})) + series((1, {"1": value, "+Inf": value}), instance="b")
    found = asked(server)
    assert (found.stats, "nothing is known" in found.notes[0]) == (Stats(), True)


def test_a_series_of_another_model_is_left_out_and_one_of_none_has_to_be_chosen(server: Server) -> None:
    server.within = series((1, {"1": 1, "+Inf": 1}), gen_ai_request_model="other")
    found = asked(server)
    assert (found.malformed_count, found.skipped, found.stats) == (0, 1, Stats())
    server.within = series((1, {"1": 1, "+Inf": 1}), gen_ai_request_model="")
    found = asked(server)
    assert (found.malformed_count, found.skipped, found.stats) == (1, 0, Stats())
    assert "it names no model" in str(found.malformed[0])
    assert asked(server, where=(("job", "m"),)).stats.totals().requests == 1


def test_buckets_that_do_not_add_up_are_told(server: Server) -> None:
    server.within = series((1, {"1": 5, "+Inf": 3}))
    found = asked(server)
    assert (found.malformed_count, found.malformed[0].why) == (1, "a series: its buckets do not add up")
    server.within = series((1, {"1": 5}))
    assert asked(server).malformed_count == 1


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no time": ({"since": None}, "since a time"),
    "no metric": ({"table": None}, "reads one histogram"),
    "no unit": ({"table": "x"}, "tells no unit"),
    "a name that is none": ({"table": "x}_seconds"}, "no name of a metric"),
    "a label that is none": ({"where": (('a="b",c', "x"),)}, "no name of a metric, or of a label"),
    "by how requests fared": ({"where": (("error_type", ""),)}, "choose requests by what they are judged by"),
    "by how long they took": ({"where": (("le", "5"),)}, "choose requests by what they are judged by"),
    "half an address": ({"connect": "http://[::1"}, "is no address"),
    "a space in a host": ({"connect": "http://host name:1"}, "is no address"),
    "a port that is none": ({"connect": "http://host:x"}, "is no address"),
    "a latency of another label": ({"columns": {"latency_ms": "zone"}}, "not made of the label le"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_asked_wrongly_is_refused(server: Server, name: str) -> None:
    server.within = series((1, {"1": 1, "+Inf": 1}))
    more, fact = REFUSED[name]
    with pytest.raises(Usage, match=fact):
        asked(server, **more)


_SERIES = b'{"result":[{"metric":{"le":"%s"},"value":[%s,"%s"]}]}'
NO_DATA = [
    *(b"null", b"5", b"[]", b'{"result":null}', b'{"result":[{"metric":null}]}', b"[" * 9999 + b"]" * 9999),
    *(
        _SERIES % odd
        for odd in ((b"abc", b"1", b"1"), (b"1", b"1", b"x"), (b"1", b"1", b"1e300"), (b"1", b"1e99", b"1"))
    ),
    _SERIES % (b"1", b'"x"', b"1"),
]


@pytest.mark.parametrize(
    ("code", "body", "kind", "fact"),
    [
        (
            400,
            b'{"status":"error","error":"parse error\\u001b[2J"}',
            Usage,
            r"does not take the query: 'parse error\\x1b\[2J'",
        ),
        (400, b"<html>", Usage, "no reason given"),
        (401, b"{}", StorageRefused, "answers with HTTP 401"),
        (503, b"", StorageRefused, "answers with HTTP 503"),
        (200, b"<html>", StorageRefused, "does not answer as Prometheus does"),
        (200, b'{"status":"error"}', StorageRefused, "does not answer as Prometheus does"),
        (200, b"[]", StorageRefused, "does not answer as Prometheus does"),
        *((200, b'{"status":"success","data":%s}' % data, StorageRefused, "does not answer as") for data in NO_DATA),
        (200, b'{"status":"success","warnings":["a part"],"data":{}}', StorageRefused, "warns of its answer"),
    ],
)
def test_a_server_that_answers_otherwise_is_told(server: Server, code: int, body: bytes, kind: Any, fact: str) -> None:
    server.code, server.body = code, body
    with pytest.raises(kind, match=fact) as caught:
        asked(server, connect=server.url.replace("//", "//me:secret@"))
    assert "secret" not in f"{caught.value} {caught.value.hint}"


def test_a_server_that_is_away_is_refused() -> None:
    with pytest.raises(StorageRefused, match=r"cannot reach http://127\.0\.0\.1:1: "):
        reduce([], SUBJECT, Query(connect="http://me:secret@127.0.0.1:1", table="x_seconds", since=SINCE))
