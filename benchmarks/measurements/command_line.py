"""Budget 8: what starting ``interapp`` costs, beside Python and beside what it must import."""

import sys
from dataclasses import replace

from benchmarks.command import Command, in_turns
from benchmarks.contender import CONTENDERS, OURS_PG
from benchmarks.job import Job
from benchmarks.measure import QUEUE
from benchmarks.process import Process
from benchmarks.run import Run
from benchmarks.subject import Figure, Subject
from servers.processes import INTERAPP

IMPORTS = "import click, pydantic_settings, sqlalchemy, psycopg"
SMALL_TABLE = 50


def measure(run: Run) -> None:
    """Run each command many times, one after the other."""
    with run.servers.fresh() as (amqp_url, database_url):
        _fill(Job(amqp_url=amqp_url, database_url=database_url, queue=QUEUE, count=SMALL_TABLE))
        beside = {Subject.VERSION: Subject.PYTHON, Subject.HANDLERS: Subject.IMPORTS}
        commands = {
            Subject.PYTHON: Command((sys.executable, "-c", "pass")),
            Subject.VERSION: Command((str(INTERAPP), "--version")),
            Subject.IMPORTS: Command((sys.executable, "-c", IMPORTS)),
            Subject.HANDLERS: Command((str(INTERAPP), "handlers", "--json"), {"INTERAPP_DATABASE_URL": database_url}),
        }
        for subject, milliseconds in in_turns(commands, run.sizes.command_runs):
            run.results.add(subject, {Figure.RUN: milliseconds}, beside=beside.get(subject, subject))
    for subject in commands:
        print(f"{subject}: {run.results.median(subject, Figure.RUN):,.1f} ms", flush=True)


def _fill(job: Job) -> None:
    (ours,) = (each for each in CONTENDERS if each.name == OURS_PG)
    with Process(ours.module, "publish", replace(job, one_by_one=True)) as sending:
        sending.until_ready()
        sending.go()
        sending.result()
