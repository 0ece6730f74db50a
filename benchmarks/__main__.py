"""``python -m benchmarks [--quick] [--budget N]… [--only NAME]… [--rounds N] [--rows N]``: measure, print, write ``results/``."""

import argparse
from dataclasses import asdict, replace

from benchmarks.budgets import verdicts
from benchmarks.chart import chart
from benchmarks.contender import CONTENDERS, Contender, Metric
from benchmarks.measure import measure
from benchmarks.page import CHART, LATEST
from benchmarks.plan import ALL, Plan, plan
from benchmarks.process import ContenderFailed
from benchmarks.report import budget_lines, machine, table, to_json, versions
from benchmarks.results import Results
from benchmarks.run import Run
from benchmarks.servers import private_servers
from benchmarks.sizes import FULL, QUICK


def main() -> None:
    """Run what the arguments ask for."""
    options = _arguments()
    wanted = plan(quick=options.quick, budgets=sorted(set(options.budget)), only=options.only)
    sizes, rounds = (QUICK, options.rounds or 3) if options.quick else (FULL, options.rounds or 5)
    sizes = replace(sizes, rows=options.rows or sizes.rows)
    measured_on = machine() | {"quick": options.quick, "rounds": rounds} | asdict(sizes)
    print(f"machine: {measured_on}")
    with private_servers() as servers:
        found = versions() | servers.versions()
        print(f"versions: {', '.join(f'{name} {version}' for name, version in found.items())}")
        run = Run(servers, sizes, rounds, Results())
        race(run, wanted)
        for other in wanted.others:
            other(run)
    rows, judged = run.results.rows(), verdicts(run.results)
    print("\n".join(["", *table(rows, CONTENDERS), "", *budget_lines(judged)]))
    if options.budget or options.only:
        print("not written: only a part was measured")
        return
    LATEST.parent.mkdir(exist_ok=True)
    LATEST.write_text(to_json(measured_on, found, rows, judged) + "\n", encoding="utf-8")
    CHART.write_text(chart(rows, CONTENDERS), encoding="utf-8")
    print(f"written: {LATEST}, {CHART}; python -m benchmarks.page puts them into README.md and docs/performance.md")


def race(run: Run, wanted: Plan) -> None:
    """Let the contenders race, interleaved, so that what the machine does meanwhile hits everybody."""
    given_up: list[tuple[Contender, Metric]] = []
    for turn in range(1, run.rounds + 1):
        for contender, metric in wanted.races:
            if (contender, metric) in given_up:
                continue
            print(f"round {turn} of {run.rounds}: ", end="", flush=True)
            try:
                run.add(contender.name, measure(run.servers, contender, metric, run.sizes))
            except ContenderFailed as failed:
                # A peer that hangs must not cost the numbers of all others, nor its own in every round as much time again.
                if not contender.peer:
                    raise
                given_up.append((contender, metric))
                print(f"{contender.name}: {metric} not measured: {failed}", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="about four minutes: fewer messages, three rounds, two peers"
    )
    parser.add_argument(
        "--budget", action="append", default=[], type=int, choices=ALL, help="measure only what this budget needs"
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="TEXT", help="contenders whose name has this in it, nothing else"
    )
    parser.add_argument("--rounds", type=int, help="how often everything is measured")
    parser.add_argument("--rows", type=int, help="how many rows there are in the tables that are not empty (budget 5)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
