"""Logs: where they go, how they look, and what is never in them."""

import json
import logging

import pytest
import structlog

from broker.observe.logs import configure_logs, redact


def test_console(capsys: pytest.CaptureFixture[str]) -> None:
    """A line for people has time, level, event and its values, and no colours where nobody sees them."""
    configure_logs("console", "info")
    structlog.get_logger("interapp.test").info("ready", apps="m1000-a, m1000-a.clk1", number=3)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "info" in err
    assert "ready apps='m1000-a, m1000-a.clk1' number=3" in err or "ready apps=m1000-a, m1000-a.clk1 number=3" in err
    assert "\x1b" not in err


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    """A line for machines is one JSON object with its time in UTC."""
    configure_logs("json", "info")
    structlog.get_logger("interapp.test").warning("a\nb", number=3)
    line = json.loads(capsys.readouterr().err)
    assert line["event"] == r"a\nb"
    assert line["level"] == "warning"
    assert line["number"] == 3
    assert line["logger"] == "interapp.test"
    assert line["time"].endswith("Z")


def test_level(capsys: pytest.CaptureFixture[str]) -> None:
    """What is less severe than asked for is not written."""
    configure_logs("json", "warning")
    structlog.get_logger("interapp.test").info("quiet")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("format_", ["console", "json"])
def test_other_libraries(format_: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Other libraries are heard when it is serious, in our format."""
    configure_logs(format_, "debug")  # type: ignore[arg-type]
    logging.getLogger("uvicorn.error").info("started")
    logging.getLogger("alembic").warning("odd: %s", "amqp://u:geheim@h/")
    err = capsys.readouterr().err
    assert "started" not in err
    assert "odd: amqp://u:***@h/" in err
    assert err.count("\n") == 1


def test_secrets() -> None:
    """Passwords, tokens and what looks like them are hidden, at any depth, and in URLs everywhere."""
    event: dict[str, object] = {
        "event": "connect amqp://user:geheim@host/vhost",
        "password": "geheim",
        "http_headers": {"Authorization": "Basic geheim", "Accept": "json"},
        "urls": ["postgresql://u:geheim@h/d"],
        "error": ValueError("bad https://u:geheim@h"),
        "exception": "Traceback\n  amqp://u:geheim@h",
        "api_token": "geheim",
        "_record": None,
    }
    shown = json.dumps(redact(None, "info", event))
    assert "geheim" not in shown
    assert "user:***@host" in shown
    assert "postgresql://u:***@h/d" in shown


def test_tracebacks_show_no_variables(capsys: pytest.CaptureFixture[str]) -> None:
    """An unexpected error is logged with its traceback, and without the values of variables."""
    configure_logs("console", "info")

    def connect(password: str) -> None:
        raise RuntimeError("refused")

    password = "geheim"

    try:
        connect(password)
    except RuntimeError:
        structlog.get_logger("interapp.test").exception("unexpected")
    err = capsys.readouterr().err
    assert "RuntimeError: refused" in err
    assert "geheim" not in err
