"""One run: what a measurement needs, and where its numbers go."""

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.contender import RAW_QUORUM
from benchmarks.results import Results
from benchmarks.servers import Servers
from benchmarks.sizes import Sizes


@dataclass(frozen=True, slots=True)
class Run:
    """The servers, how much and how often, and the results."""

    servers: Servers
    sizes: Sizes
    rounds: int
    results: Results

    def add(self, contender: str, measured: Mapping[str, float], *, beside: str = RAW_QUORUM) -> None:
        """Keep numbers, and print them."""
        self.results.add(contender, measured, beside=beside)
        print(f"{contender}: {', '.join(f'{name} {value:,.2f}' for name, value in measured.items())}", flush=True)
