"""What apps do by themselves."""

import threading
from pathlib import Path

from broker.handlers.registry import HandlerRegistry
from broker.runtime.app import App, Shift
from broker.testing import Harness


def test_every_duty_has_a_thread_of_its_own_and_ends_with_the_app(tmp_path: Path) -> None:
    """Several duties of an app run at the same time, though each blocks, and all have ended when the app was removed."""
    together = threading.Barrier(3, timeout=20)
    ended: list[int] = []

    def duty(number: int, shift: Shift) -> None:
        together.wait()
        while not shift.wait(60.0):
            continue
        ended.append(number)

    with Harness(tmp_path) as harness:
        harness.host.add(
            App(
                address="app",
                registry=HandlerRegistry[None]("app"),
                resource=None,
                duty=lambda shift: duty(0, shift),
                more_duties=(lambda shift: duty(1, shift),),
            )
        )
        together.wait()
        harness.host.remove("app")
        assert sorted(ended) == [0, 1]
