"""Budget 5: whether a table with many rows costs more than an empty one, in handling and in looking at it.

Three databases take turns: an empty one, one full of finished rows of the same app, and one full of waiting rows, half of them
another app's and half due later (``filled_table``). Retention is as installed; its first round comes later than a measurement ends.
"""

import subprocess
from collections.abc import Collection
from contextlib import ExitStack

from benchmarks.command import Command, in_turns
from benchmarks.contender import CONTENDERS, OURS_PG, Metric
from benchmarks.filled_table import Filling, fill
from benchmarks.finality import check_final
from benchmarks.job import Job
from benchmarks.measure import QUEUE
from benchmarks.process import Process
from benchmarks.run import Run
from benchmarks.subject import FLAT_COMMANDS, Subject, command_figure
from servers.processes import INTERAPP

TURNS = 5
MOST_ROUNDS = 3
FILLED = {Subject.FINISHED_TABLE: Filling.FINISHED, Subject.WAITING_TABLE: Filling.WAITING}


def measure(run: Run, commands: Collection[str] = FLAT_COMMANDS) -> None:
    """Fill two tables; handle the same messages in each and in an empty one; then look at each."""
    with ExitStack() as stack:
        databases = {}
        for subject, filling in FILLED.items():
            databases[subject] = stack.enter_context(run.servers.postgresql.fresh_database())
            fill(databases[subject], filling, run.sizes.rows)
            print(f"{subject}: {run.sizes.rows:,} rows", flush=True)
        for turn in range(1, min(run.rounds, MOST_ROUNDS) + 1):
            with run.servers.postgresql.fresh_database() as empty:
                _add_rate(run, Subject.EMPTY_TABLE, empty, sent=run.sizes.messages)
            for subject, database_url in databases.items():
                _add_rate(run, subject, database_url, sent=turn * run.sizes.messages)
        databases[Subject.EMPTY_TABLE] = stack.enter_context(run.servers.postgresql.fresh_database())
        fill(databases[Subject.EMPTY_TABLE], Filling.FINISHED, 0)
        _look(run, databases, commands)


def _add_rate(run: Run, subject: Subject, database_url: str, *, sent: int) -> None:
    (ours,) = (each for each in CONTENDERS if each.name == OURS_PG)
    with run.servers.rabbitmq.fresh_vhost() as amqp_url:
        job = Job(amqp_url=amqp_url, database_url=database_url, queue=QUEUE, count=run.sizes.messages)
        seconds = 0.0
        for role in ("publish", "handle"):
            with Process(ours.module, role, job) as process:
                process.until_ready()
                process.go()
                seconds = float(process.result()["seconds"])
        check_final(database_url, QUEUE, sent)
    run.add(subject, {Metric.HANDLE: job.count / seconds}, beside=Subject.EMPTY_TABLE)


def _look(run: Run, databases: dict[Subject, str], lines: Collection[str]) -> None:
    installed = {command for command in {line.split()[1] for line in lines} if _installed(command)}
    commands = {
        (subject, line): Command((str(INTERAPP), *line.split()[1:]), {"INTERAPP_DATABASE_URL": databases[subject]})
        for line in lines
        if line.split()[1] in installed
        for subject in databases
    }
    for (subject, line), milliseconds in in_turns(commands, min(TURNS, run.sizes.command_runs)):
        run.results.add(subject, {command_figure(line): milliseconds}, beside=Subject.EMPTY_TABLE)


def _installed(command: str) -> bool:
    return not subprocess.run([INTERAPP, command, "--help"], capture_output=True, check=False).returncode
