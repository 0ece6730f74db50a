"""Which version of the REST API an answer comes from, and how the versions' answers differ."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from lantime.status.values import mapping, pick, raw

_VERSION = re.compile(r"\d{1,4}(\.\d{1,4})*")


@dataclass(frozen=True, kw_only=True)
class ApiVersion:
    """The API version of an answer: ``text`` as in ``20.05.013`` and its ``major``, both None when not reported."""

    text: str | None = None
    major: int | None = None


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """What one range of API majors is expected to report about a TCR module.

    Every reader takes what is there; the adapter knows what *should* be there, so that an absent part shows as
    missing on the version that has it, and not on the versions that never had it.
    """

    name: str
    first: int
    last: int
    receiver_keys: frozenset[str]
    mrs_status: bool

    def covers(self, major: int | None) -> bool:
        """Whether this adapter is meant for the API major."""
        return major is not None and self.first <= major <= self.last


_RECEIVER_KEYS = frozenset(
    {
        "receiver-status",
        "icode",
        "ref-offs",
        "ref-offs-configured",
        "tfom",
        "agc",
        "drift",
        "signal",
        "state",
        "pcps",
    }
)
"""Inferred from the SDK structs and the LCD menu; no capture of a TCR exists."""

ADAPTERS = (
    Adapter(name="v8", first=8, last=8, receiver_keys=_RECEIVER_KEYS, mrs_status=False),
    Adapter(name="v10", first=10, last=16, receiver_keys=_RECEIVER_KEYS, mrs_status=True),
    Adapter(name="v17", first=17, last=20, receiver_keys=_RECEIVER_KEYS | {"ctrl-bits"}, mrs_status=True),
)
"""Oldest first. The ranges are those that the vendor's own connectors are split by (vendor document)."""

SUPPORTED_API = f"API {ADAPTERS[0].first} and {ADAPTERS[1].first} to {ADAPTERS[-1].last} (LTOS 7.04 to 7.10)"
"""What versions are known, for people. Which LTOS brings which API: captured for 10 and 20, else vendor document."""


def supported_majors() -> str:
    """Return the API majors that answers are read of as they are meant, for people: ``8, 10 to 16, 17 to 20``."""
    return ", ".join(f"{it.first}" if it.first == it.last else f"{it.first} to {it.last}" for it in ADAPTERS)


def read_api_version(answer: Mapping[str, object]) -> ApiVersion:
    """Read the version from ``data.rest-api.api-version``, else from ``system-information."API Version"``.

    Both are captured: ``20.05.013`` and ``LANTIME REST API V20.05.013``.
    """
    rest_api = mapping(pick(mapping(answer.get("data")), "rest-api"))
    system = mapping(pick(answer, "system-information"))
    for value in (pick(rest_api, "api-version"), pick(system, "API Version")):
        found = _VERSION.search(raw(value) or "")
        if found:
            return ApiVersion(text=found[0], major=int(found[0].split(".")[0]))
    return ApiVersion()


def adapter_for(major: int | None) -> tuple[Adapter, str | None]:
    """Return the adapter for an API major and, when the major is not known, a compatibility warning."""
    for adapter in ADAPTERS:
        if adapter.covers(major):
            return adapter, None
    newest = ADAPTERS[-1]
    version = "the device reports no API version" if major is None else f"API version {major} is not known"
    return newest, f"compatibility: {version}; read as API {newest.first} to {newest.last}"
