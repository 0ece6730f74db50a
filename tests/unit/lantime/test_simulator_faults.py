"""Requests that are asked to go wrong: which ones do, and whether what they asked for is done."""

import json

import pytest
from unit.simulated import MODULE, ask, control, data, module, pending, put

from lantime.simulator.controls import Controls
from lantime.simulator.faults import Kind

STATUSES = [400, 401, 403, 404, 409, 422, 500, 503]


@pytest.mark.parametrize("status", STATUSES)
def test_error_status(status: int) -> None:
    """Any error status can be had, with the body of an error; 401 asks for a login."""
    controls = Controls()
    controls.fail_requests(1, status, "/api")
    answer = ask(controls, "/api/status")
    assert answer.status == status
    assert isinstance(answer.body["error"], dict)
    assert answer.body["error"]["code"] == status
    assert ("WWW-Authenticate" in answer.headers) is (status == 401)
    assert ask(controls, "/api/status").status == 200


@pytest.mark.parametrize("kind", [Kind.STATUS, Kind.HTML, Kind.EMPTY, Kind.RESET])
@pytest.mark.parametrize("after_effect", [False, True])
def test_before_or_after_the_effect(kind: Kind, after_effect: bool) -> None:
    """A commit that goes wrong is not done, or is done and only its answer lost."""
    controls = Controls()
    put(controls, f"{MODULE}/receiver", {"icode": "g142"})
    controls.fail_requests(path_prefix="/api/commit", kind=kind, after_effect=after_effect)
    put(controls, "/api/commit")
    assert pending(controls) == (0 if after_effect else 1)
    assert module(controls)["tcr"]["icode"] == ("g142" if after_effect else "b122-b123")


@pytest.mark.parametrize("kind", [Kind.TRUNCATED, Kind.SLOW, Kind.TRICKLE])
def test_what_is_delivered_badly_was_done(kind: Kind) -> None:
    """An answer that is cut off or late is the real one, so what was asked is done."""
    controls = Controls()
    controls.fail_requests(path_prefix="/api", kind=kind, method="PUT")
    answer = put(controls, f"{MODULE}/receiver", {"icode": "g142"})
    assert (data(answer)["icode"], answer.delivery.kind) == ("g142", kind)
    assert pending(controls) == 1


def test_only_the_nth_fitting_request() -> None:
    """Prefix, method, how many pass first and how many fail say which requests go wrong."""
    controls = Controls()
    controls.fail_requests(2, 500, "/api/config", method="put", skip=1)
    codes = [
        ask(controls, f"{MODULE}/receiver", method, "admin", {}).status
        for method in ("GET", "PUT", "PATCH", "PUT", "GET", "PUT", "PUT")
    ]
    assert codes == [200, 200, 200, 500, 200, 500, 200]


def test_first_fault_that_fits_decides() -> None:
    """Faults are used up in the order in which they were asked for; all can be taken back."""
    controls = Controls()
    controls.fail_requests(1, 404, "/api/status")
    controls.fail_requests(9, 500, "/api")
    codes = [ask(controls, path).status for path in ("/api/config", "/api/status", "/api/status")]
    assert codes == [500, 404, 500]
    assert control(controls, "clear-faults").status == 200
    assert ask(controls, "/api/status").status == 200


def test_after_effect_needs_a_login_all_the_same() -> None:
    """What nobody may do is not done because its answer is to be lost."""
    controls = Controls()
    controls.fail_requests(path_prefix="/api", kind=Kind.RESET, after_effect=True, method="PUT")
    put(controls, f"{MODULE}/receiver", {"icode": "g142"}, user="info")
    assert pending(controls) == 0


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"kind": "flood"}, "kind='flood'"),
        ({"skip": -1}, "skip=-1"),
        ({"kind": "slow", "delay-seconds": 31}, "delay_seconds=31"),
        ({"kind": "slow", "delay-seconds": -1}, "delay_seconds=-1"),
        ({"kind": "html", "delay-seconds": 3}, "delay_seconds=3"),
        ({"status": 302}, "status=302"),
        ({"count": 0}, "count=0"),
        ({"colour": "red"}, "colour='red'"),
    ],
)
def test_faults_that_make_no_sense(arguments: dict[str, object], named: str) -> None:
    """A fault that cannot be is refused with the field, its value and what is allowed."""
    controls = Controls()
    answer = control(controls, "fail-requests", **arguments)
    assert answer.status == 422
    assert named in json.dumps(answer.body)
    assert ask(controls, "/api/status/chassis0/slots").status == 200


def test_faults_over_http() -> None:
    """Every part of a fault can be said over HTTP."""
    controls = Controls()
    asked = {
        "count": 1,
        "kind": "slow",
        "delay-seconds": 30,
        "path-prefix": "/api",
        "method": "GET",
        "after-effect": True,
    }
    assert control(controls, "fail-requests", **asked).status == 200
    delivery = ask(controls, "/api/status").delivery
    assert (delivery.kind, delivery.delay_seconds) == (Kind.SLOW, 30.0)


def test_reading_without_a_login() -> None:
    """Everybody may read once that is allowed, and nobody may write without a login."""
    controls = Controls(anonymous_read=True)
    assert ask(controls, "/api/status", user="nobody").status == 200
    assert put(controls, "/api/commit", user="nobody").status == 401
    assert ask(controls, "/api/commit", user="nobody").status == 401
    assert control(controls, "allow-anonymous", allowed=False).status == 200
    assert ask(controls, "/api/status", user="nobody").status == 401
