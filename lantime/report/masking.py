"""Masking a JSON document: what is not known to be harmless becomes a stable pseudonym. Pure.

Structure, known keys, words of the trade, flags and plain numbers stay. The same text has the same pseudonym wherever
it stands in one report, so that a reader sees that a serial number stands in two places, and never which.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping

from pydantic import JsonValue

from lantime.report.vocabulary import CODE, EXACT, FORMS, HARMLESS_KEYS, NAMING_KEYS, SENSITIVE, WORDS

_DEEPEST = 64
_LONGEST = 60
_LARGEST = 9_999_999
"""Largest number that is kept: a serial number has more digits."""
_NUMBERS = 2
"""How many numbers a harmless text may hold; an address or a position has more."""
_DIGITS = 3

_TOKEN = re.compile(rf"{CODE}(?![a-z0-9])|[a-z]+|\d+")
_HARMLESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]*")
_KINDS = (
    ("ip", re.compile(r"\d{1,3}(\.\d{1,3}){3}(/\d{1,2})?|(?=.*:.*:)[0-9a-fA-F:.]{2,45}(%\w+)?(/\d{1,3})?")),
    ("mail", re.compile(r"[^@\s]+@[^@\s]+")),
    ("digits", re.compile(r"\d+")),
)
_MAC = re.compile(r"([0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}")


class Masker:
    """Masks documents with one set of pseudonyms. ``counts`` says how many different values of each kind were masked."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self.counts: Counter[str] = Counter()

    def mask(self, value: object, *, key: str = "") -> JsonValue:
        """Return the document without anything that is not known to be harmless. ``key`` is what it stands under."""
        return self._value(value, key=key, sensitive=_is_sensitive(key), levels=_DEEPEST)

    def key(self, key: str) -> str:
        """Return a key as it may be shown."""
        # Not stripped, as values are: two keys of one object must not become one.
        return key if _is_word(key) or key == "" else self._named(_kind(key.strip()), key)

    def _value(self, value: object, *, key: str, sensitive: bool, levels: int) -> JsonValue:
        if levels == 0:
            return None
        match value:
            case bool() | None:
                return value
            case str():
                return value if not sensitive and _is_harmless(key, value) else self._pseudonym(value)
            case int() | float():
                kept = not sensitive and _is_word(key) and _is_plain(value)
                return value if kept else self._number(value)
            case Mapping():
                below = sensitive or _is_about_something_sensitive(value)
                return {
                    self.key(str(name)): self._value(
                        each, key=str(name), sensitive=below or _is_sensitive(str(name)), levels=levels - 1
                    )
                    for name, each in value.items()
                }
            case list() | tuple():
                return [self._value(each, key=key, sensitive=sensitive, levels=levels - 1) for each in value]
            case _:
                return None

    def _pseudonym(self, text: str) -> str:
        stripped = text.strip()
        if not stripped:
            return text
        return self._named(_kind(stripped), stripped)

    def _number(self, value: float) -> JsonValue:
        return self._named("number", repr(value))

    def _named(self, kind: str, value: str) -> str:
        if value not in self._names:
            self.counts[kind] += 1
            self._names[value] = f"<{kind}-{self.counts[kind]}>"
        return self._names[value]


def _is_harmless(key: str, text: str) -> bool:
    if not _is_word(key):
        return _is_word(text)
    return _is_word(text) or any(of.fullmatch(key.lower()) and form.fullmatch(text) for of, form in FORMS)


def _is_word(text: str) -> bool:
    """Tell whether a text is made of words of the trade, with a few short numbers."""
    if text.lower() in EXACT:
        return True
    if len(text) > _LONGEST or not _HARMLESS.fullmatch(text):
        return False
    tokens = _tokens(text)
    numbers = [token for token in tokens if token.isdigit()]
    words = [token for token in tokens if not token.isdigit()]
    return (
        bool(words)
        and len(numbers) <= _NUMBERS
        and all(len(number) <= _DIGITS for number in numbers)
        and all(word in WORDS or word in SENSITIVE or re.fullmatch(CODE, word) for word in words)
    )


def _is_sensitive(key: str) -> bool:
    return key.lower() not in HARMLESS_KEYS and not SENSITIVE.isdisjoint(_tokens(key))


def _is_about_something_sensitive(found: Mapping[object, object]) -> bool:
    return any(
        isinstance(value, str) and str(key).lower() in NAMING_KEYS and not SENSITIVE.isdisjoint(_tokens(value))
        for key, value in found.items()
    )


def _is_plain(value: float) -> bool:
    return math.isfinite(value) and abs(value) <= _LARGEST


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(text.lower())


def _kind(text: str) -> str:
    if _MAC.fullmatch(text):
        return "mac"
    return next((kind for kind, form in _KINDS if form.fullmatch(text)), "text")
