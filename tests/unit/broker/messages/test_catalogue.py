"""The catalogue of kinds."""

from typing import ClassVar

import pytest

from broker.errors import UnknownKind
from broker.messages.catalogue import Catalogue
from broker.messages.message import Command, Event


class First(Event):
    kind: ClassVar[str] = "test.same"


class Second(Event):
    kind: ClassVar[str] = "test.same"


class Another(Command[None]):
    kind: ClassVar[str] = "test.another"


class Kindless(Event):
    """A base class: it has no kind."""


def test_a_kind_that_is_taken_twice_names_both_places() -> None:
    """Two classes with one kind are refused, and the error says where both are."""
    catalogue = Catalogue([First])
    with pytest.raises(TypeError, match=r"kind 'test.same' is taken twice") as caught:
        catalogue.add(Second)
    assert f"{__name__}.First" in str(caught.value)
    assert f"{__name__}.Second" in str(caught.value)
    assert catalogue["test.same"] is First


def test_two_catalogues_with_one_kind_are_refused() -> None:
    """Joining catalogues finds a kind that both have for different classes."""
    catalogue = Catalogue([First])
    catalogue.update(Catalogue([Another]))
    assert list(catalogue) == [Another, First]
    with pytest.raises(TypeError, match="taken twice"):
        catalogue.update(Catalogue([Second]))


def test_adding_a_class_again_is_harmless() -> None:
    """Parent and child may both name a message that they share."""
    catalogue = Catalogue([First, First])
    catalogue.add(First)
    assert list(catalogue) == [First]


def test_a_class_without_a_kind_is_refused() -> None:
    """A class that has no kind cannot be sent: the error says what to add."""
    with pytest.raises(TypeError, match=r"Kindless has no kind: add kind: ClassVar\[str\]"):
        Catalogue([Kindless])


def test_an_unknown_kind_is_named() -> None:
    """A kind that nobody knows is named, with the command that lists the known ones."""
    catalogue = Catalogue([First])
    assert "test.same" in catalogue
    assert "test.other" not in catalogue
    with pytest.raises(UnknownKind, match=r"'test.other'.*interapp kinds"):
        _ = catalogue["test.other"]
