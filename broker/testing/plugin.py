"""Fixtures for pytest, there wherever interapp is installed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.testing.documents import KeptDocuments
from broker.testing.harness import Harness


@pytest.fixture
def interapp(tmp_path: Path) -> Iterator[Harness]:
    """A process with any number of apps in memory, with the real handler table, on a clock that the test moves."""
    with Harness(tmp_path) as harness:
        yield harness


@pytest.fixture
def interapp_documents() -> KeptDocuments:
    """Documents of an app, for handlers that are run alone."""
    return KeptDocuments()
