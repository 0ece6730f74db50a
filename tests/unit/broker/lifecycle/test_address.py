"""Addresses of apps and topic patterns."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.lifecycle.address import MAX_LENGTH, RESERVED, checked_address, topic_matches


@pytest.mark.parametrize("address", ["a", "m1000-a", "m1000-a.clk1", "1.2.3", "-", "a" * MAX_LENGTH])
def test_an_address_is_words_joined_by_dots(address: str) -> None:
    """Lower-case letters, digits and hyphens in words joined by dots are an address, and are returned as they are."""
    assert checked_address(address) == address


@pytest.mark.parametrize(
    "address",
    ["", ".", "a.", ".a", "a..b", "A", "a b", "a_b", "a/b", "ä", "a\n", "a.b\n", "*", "#", "a" * (MAX_LENGTH + 1)],
)
def test_what_is_no_address_is_refused_by_name(address: str) -> None:
    """Anything else raises ValueError that shows it and says what an address is."""
    with pytest.raises(ValueError, match="is no address: lower-case letters") as caught:
        checked_address(address)
    assert repr(address) in str(caught.value)


@pytest.mark.parametrize("address", sorted(RESERVED))
def test_names_of_our_own_queues_are_no_addresses(address: str) -> None:
    """No app can take the name of a queue that interapp itself needs; below it is free."""
    with pytest.raises(ValueError, match="is reserved"):
        checked_address(address)
    assert checked_address(f"{address}.a") == f"{address}.a"


@pytest.mark.parametrize(
    ("pattern", "topic", "matches"),
    [
        ("a.b", "a.b", True),
        ("a.b", "a.c", False),
        ("a.b", "a", False),
        ("a", "a.b", False),
        ("*.b", "a.b", True),
        ("*", "a.b", False),
        ("a.*", "a", False),
        ("*.*", "a.b", True),
        ("#", "a", True),
        ("#", "a.b.c", True),
        ("a.#", "a", True),
        ("a.#", "a.b.c", True),
        ("a.#", "b", False),
        ("#.c", "c", True),
        ("#.c", "a.b.c", True),
        ("#.c", "a.b", False),
        ("a.#.c", "a.c", True),
        ("a.#.c", "a.b.b.c", True),
        ("a.#.c", "a.b", False),
        ("#.#", "a", True),
        ("#.b.#", "a.b.c", True),
        ("#.b.#", "a.c", False),
        ("#.b.#", "b", True),
        ("*.#", "a", True),
        ("*.#.*", "a", False),
        ("#.*", "a.b", True),
        ("a.b#", "a.bc", False),
        ("m1000-a.*.tcr.ready", "m1000-a.clk1.tcr.ready", True),
        ("m1000-a.*.tcr.ready", "m1000-b.clk1.tcr.ready", False),
    ],
)
def test_topic_patterns_are_those_of_amqp(pattern: str, topic: str, matches: bool) -> None:
    """``*`` is one word and ``#`` any number of words, none included, wherever they stand."""
    assert topic_matches(pattern, topic) is matches


WORDS = st.lists(st.sampled_from("ab"), min_size=1, max_size=6)


@given(st.lists(st.sampled_from("ab*#"), min_size=1, max_size=6), WORDS)
def test_topic_patterns_match_as_a_regular_expression_does(pattern: list[str], topic: list[str]) -> None:
    """Every pattern matches what the regular expression of the same meaning matches."""
    meaning = "".join({"*": r"\.[^.]+", "#": r"(\.[^.]+)*"}.get(word, rf"\.{word}") for word in pattern)
    expected = re.fullmatch(meaning, "." + ".".join(topic)) is not None
    assert topic_matches(".".join(pattern), ".".join(topic)) is expected
