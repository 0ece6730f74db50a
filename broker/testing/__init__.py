"""What an integrator needs to test handlers without any server: run one alone, or a whole app with the real table."""

from broker.lifecycle.clock import ManualClock
from broker.testing.documents import KeptDocuments
from broker.testing.harness import Harness
from broker.testing.run_handler import HandlerRun, run_handler
from broker.testing.unreliable import UnreliableTransport

__all__ = ["HandlerRun", "Harness", "KeptDocuments", "ManualClock", "UnreliableTransport", "run_handler"]
