"""The types that integrators see, as mypy reads them."""

import re
from pathlib import Path

from mypy import api

ROOT = Path(__file__).parents[2]
TYPED = ROOT / "tests" / "typing" / "typed.py"


def test_asking_and_handling_are_typed_by_the_message() -> None:
    """Mypy knows what every way of asking returns, and refuses each handler that contradicts its message, and nothing else."""
    wrong = [
        number
        for number, line in enumerate(TYPED.read_text(encoding="utf-8").splitlines(), start=1)
        if "# wrong:" in line
    ]
    found, errors, _ = api.run(
        ["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(ROOT / ".mypy_cache"), str(TYPED)]
    )
    assert not errors
    refused = [int(number) for number in re.findall(r"typed\.py:(\d+): error:", found)]
    assert refused == wrong, found
    assert len(wrong) == 5
