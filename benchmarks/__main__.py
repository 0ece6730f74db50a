"""``python -m benchmarks [--quick] [--rounds N] [--only NAME]…``: measure, print, write ``results/``."""

import argparse
from pathlib import Path

from benchmarks.budgets import INTERNAL, verdicts
from benchmarks.chart import chart
from benchmarks.contender import CONTENDERS, Contender, Metric
from benchmarks.measure import Sizes, measure
from benchmarks.report import budget_lines, machine, table, to_json, versions
from benchmarks.results import Results
from benchmarks.servers import private_servers

RESULTS = Path(__file__).parent / "results"
FULL = Sizes(messages=20_000, round_trips=500, single_sends=1_000)
QUICK = Sizes(messages=5_000, round_trips=200, single_sends=300)


def main() -> None:
    """Run what the arguments ask for."""
    options = _arguments()
    contenders = [each for each in CONTENDERS if _wanted(each, options.only, quick=options.quick)]
    sizes, rounds = (QUICK, options.rounds or 3) if options.quick else (FULL, options.rounds or 5)
    print(f"versions: {', '.join(f'{name} {found}' for name, found in versions().items())}")
    print(f"machine: {machine()}")
    results = Results()
    with private_servers() as servers:
        # Interleaved, so that what the machine does meanwhile hits everybody.
        for turn in range(1, rounds + 1):
            for contender in contenders:
                for metric in sorted(contender.metrics - {Metric.REQUEST_P99}):
                    measured = measure(servers, contender, metric, sizes)
                    results.add(contender, measured)
                    shown = ", ".join(f"{each.value} {value:,.2f}" for each, value in measured.items())
                    print(f"round {turn} of {rounds}: {contender.name}: {shown}", flush=True)
    rows, found = results.rows(contenders), verdicts(results)
    print("\n".join(["", *table(rows, contenders), "", *budget_lines(found)]))
    RESULTS.mkdir(exist_ok=True)
    kept = {"messages": sizes.messages, "rounds": rounds}
    (RESULTS / "latest.json").write_text(to_json(rows, found, kept) + "\n", encoding="utf-8")
    (RESULTS / "both.svg").write_text(chart(rows, contenders), encoding="utf-8")
    print(f"written: {RESULTS / 'latest.json'}, {RESULTS / 'both.svg'}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="about four minutes: fewer messages, three rounds, two peers"
    )
    parser.add_argument("--rounds", type=int, help="how often everything is measured")
    parser.add_argument(
        "--only", action="append", default=[], metavar="TEXT", help="contenders whose name has this in it"
    )
    return parser.parse_args()


def _wanted(contender: Contender, only: list[str], *, quick: bool) -> bool:
    if only:
        return any(text.lower() in contender.name.lower() for text in only)
    return not quick or contender.name in INTERNAL or contender.name.startswith(("aio-pika", "Taskiq"))


if __name__ == "__main__":
    main()
