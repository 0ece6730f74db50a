"""Versions of a message's body: which a class understands, and how an older one becomes the newest."""

from collections.abc import Callable, Mapping

from pydantic import JsonValue

from broker.errors import InvalidMessage, UnsupportedVersion

Body = dict[str, JsonValue]
Upcaster = Callable[[Body], Body]
"""Makes the body of one version from that of the version before. It may change and return what it is given."""

MAX_VERSION = 2**31 - 1


def check_versions(place: str, version: int, upcasters: Mapping[int, Upcaster]) -> None:
    """Refuse versions and upcasters that cannot be right. Raises TypeError naming the class and what is wrong."""
    if type(version) is not int or not 1 <= version <= MAX_VERSION:
        raise TypeError(f"{place}.version = {version!r}: a version is a whole number from 1 to {MAX_VERSION}")
    if not isinstance(upcasters, Mapping):
        raise TypeError(f"{place}.upcasters is a {type(upcasters).__qualname__}: it must map a version to a function")
    for lifts, upcaster in upcasters.items():
        if type(lifts) is not int or not 1 <= lifts < version:
            raise TypeError(
                f"{place}.upcasters[{lifts!r}] lifts no older version: its key must be a whole number from 1 to"
                f" {version - 1}, below version = {version}"
            )
        if not callable(upcaster):
            raise TypeError(f"{place}.upcasters[{lifts}] is no function but a {type(upcaster).__qualname__}")
    missing = [lifts for lifts in range(oldest(version, upcasters), version) if lifts not in upcasters]
    if missing:
        raise TypeError(f"{place}.upcasters has none for version {missing[0]}: older bodies would get stuck there")


def oldest(version: int, upcasters: Mapping[int, Upcaster]) -> int:
    """Return the oldest version that is understood."""
    return min(upcasters, default=version)


def check_known(kind: str, sent: int, version: int, upcasters: Mapping[int, Upcaster]) -> None:
    """Raise UnsupportedVersion, naming what is known, when a body's version is not understood."""
    first = oldest(version, upcasters)
    if sent > version:
        raise UnsupportedVersion(f"{kind}: version {sent}, known up to {version}")
    if sent < first:
        known = f"known from {first} to {version}" if first < version else f"known is only {version}"
        raise UnsupportedVersion(f"{kind}: version {sent}, {known}")


def lifted(kind: str, body: object, sent: int, version: int, upcasters: Mapping[int, Upcaster]) -> Body:
    """Return the body of an older version as one of the newest.

    Raises InvalidMessage when the body is no object, and naming the upcaster that failed on it.
    """
    if not isinstance(body, dict):
        raise InvalidMessage(f"{kind}: the body of version {sent} is no object but a {type(body).__qualname__}")
    for lifts in range(sent, version):
        upcaster = upcasters[lifts]
        name = f"upcaster {getattr(upcaster, '__qualname__', repr(upcaster))} of version {lifts}"
        try:
            body = upcaster(body)
        except Exception as exc:
            raise InvalidMessage(f"{kind}: {name} failed: {type(exc).__name__}: {exc}") from exc
        if not isinstance(body, dict):
            raise InvalidMessage(f"{kind}: {name} returned no object but a {type(body).__qualname__}")
    return body
