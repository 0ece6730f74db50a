"""A trouble in the log."""

from __future__ import annotations

from structlog.testing import capture_logs

from broker.errors import AccessRefused, ConnectionLost
from broker.lifecycle.clock import ManualClock
from broker.transport.rabbitmq.trouble import Trouble


def test_one_line_when_it_starts_and_one_when_it_ends() -> None:
    """However often it is noticed, and wherever, a trouble is two lines, the second with its duration."""
    clock = ManualClock()
    with capture_logs() as lines:
        trouble = Trouble("connection", clock)
        trouble.end("publishing")
        for _ in range(5):
            trouble.begin(ConnectionLost("away"), "publishing")
            trouble.begin(ConnectionLost("away too"), "consuming")
        clock.advance(90.04)
        trouble.end("publishing")
        trouble.end("consuming")
        trouble.end("consuming")
    assert [(line["event"], line["log_level"]) for line in lines] == [("trouble", "warning"), ("trouble over", "info")]
    assert lines[0]["detail"] == "away"
    assert lines[1]["seconds"] == 90.0


def test_a_trouble_of_another_kind_is_another_line() -> None:
    """When RabbitMQ comes back but refuses the login, that is news."""
    with capture_logs() as lines:
        trouble = Trouble("connection", ManualClock())
        trouble.begin(ConnectionLost("away"))
        trouble.begin(AccessRefused("wrong password"))
        trouble.end()
        trouble.begin(ConnectionLost("away"))
    assert [line.get("error") for line in lines] == ["ConnectionLost", "AccessRefused", None, "ConnectionLost"]


def test_a_trouble_that_several_things_share_is_said_once() -> None:
    """One missing right that stops publishing and consuming is one line, and its end is one when the last has recovered."""
    with capture_logs() as lines:
        connection = Trouble("connection", ManualClock())
        publishing, consuming = (
            Trouble(thing, ManualClock(), beside=connection) for thing in ("publishing", "consuming")
        )
        publishing.begin(AccessRefused("no right to configure"))
        consuming.begin(AccessRefused("no right to configure"))
        publishing.end()
        assert [line["event"] for line in lines] == ["trouble"]
        consuming.end()
        consuming.begin(AccessRefused("no right to configure"))
    assert [line["event"] for line in lines] == ["trouble", "trouble over", "trouble"]
