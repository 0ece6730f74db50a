"""Logs: one line per event on stderr, for people or for machines, with secrets left out."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Literal

import structlog
from structlog.typing import Processor

from broker.observe.printable import printable, without_passwords

SECRET = re.compile(r"password|passwd|passphrase|secret|token|authorization|cookie|api_?key|credential", re.IGNORECASE)
"""Keys whose values are never written."""

HIDDEN = "********"
MULTI_LINE = frozenset({"exception", "stack"})
"""Keys whose values keep their newlines: tracebacks."""


class OwnOrSerious(logging.Filter):
    """Lets through what interapp logs, and of other libraries only what is serious."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the record is written: structlog hands over a dict."""
        return isinstance(record.msg, dict) or record.levelno >= logging.WARNING


def configure_logs(format: Literal["console", "json"], level: str) -> None:  # noqa: A002 named like its setting
    """Write logs to stderr from now on, those of other libraries too; ``level`` as in INTERAPP_LOG_LEVEL."""
    least = logging.getLevelNamesMapping()[level.upper()]
    as_json = format == "json"
    stamp = structlog.processors.TimeStamper(
        fmt="iso" if as_json else "%Y-%m-%d %H:%M:%S", utc=as_json, key="time" if as_json else "timestamp"
    )
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name if as_json else _unchanged,
        stamp,
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        redact,
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False, default=str) if as_json else _console_renderer()
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(OwnOrSerious())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.PositionalArgumentsFormatter(), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(least)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hide secrets, and keep every value but a traceback on one line."""
    for key, value in event.items():
        if SECRET.search(key):
            event[key] = HIDDEN
        elif key in MULTI_LINE and isinstance(value, str):
            event[key] = without_passwords(value)
        elif not key.startswith("_"):
            event[key] = _safe(value)
    return event


def _safe(value: Any) -> Any:
    match value:
        case str():
            return printable(without_passwords(value))
        case dict():
            return {key: HIDDEN if SECRET.search(str(key)) else _safe(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_safe(item) for item in value]
        case BaseException():
            return _safe(f"{type(value).__name__}: {value}")
    return value


def _console_renderer() -> structlog.dev.ConsoleRenderer:
    # Plain tracebacks: pretty ones print local variables, and a password is one.
    return structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), pad_event_to=0, sort_keys=False, exception_formatter=structlog.dev.plain_traceback
    )


def _unchanged(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return event
