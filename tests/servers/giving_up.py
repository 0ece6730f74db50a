"""What a test does that needs a server where none can be had."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

from servers.shared import Unavailable


def give_up(reason: Unavailable) -> NoReturn:
    """Skip on a developer's machine, fail where the whole suite must have run."""
    if os.environ.get("CI") == "true":
        raise pytest.fail.Exception(str(reason), pytrace=False) from None
    raise pytest.skip.Exception(str(reason)) from None
