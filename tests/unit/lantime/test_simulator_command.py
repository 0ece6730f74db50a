"""``interapp simulator``: what can be wrong with its options is told before anything starts."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from lantime.simulator.command import simulator


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--port", "99999"], "99999"),
        (["--port", "-1"], "-1"),
        (["--port", "https"], "https"),
        (["--model", "M500"], "M500"),
        (["--api", "9"], "9"),
        (["--tls-version", "2"], "--tls-version"),
    ],
)
def test_wrong_usage(arguments: list[str], named: str) -> None:
    """A wrong option ends with exit code 2 and names option and value."""
    result = CliRunner().invoke(simulator, arguments)
    assert result.exit_code == 2
    assert named in result.stderr


def test_wrong_port_in_the_environment() -> None:
    """A port from the environment is checked like an option."""
    result = CliRunner().invoke(simulator, [], env={"SIMULATOR_PORT": "99999"})
    assert result.exit_code == 2
    assert "99999" in result.stderr


def test_command_loads_no_server() -> None:
    """Knowing the command costs no web server: the command line loads every command of its help."""
    script = (
        "import sys, lantime.simulator.command\n"
        "print([name for name in ('uvicorn', 'starlette', 'cryptography', 'pydantic') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
