"""The other floor: how often a second this machine's PostgreSQL commits a row of one sender."""

import time

import psycopg

from benchmarks.contenders.one_commit import INSERT, TABLE
from benchmarks.payload import body
from benchmarks.run import Run
from benchmarks.subject import Figure, Subject


def measure(run: Run) -> None:
    """Commit rows one by one."""
    count = run.sizes.commits
    for _ in range(run.rounds):
        with run.servers.fresh() as (_, database_url), psycopg.connect(database_url) as database:
            database.execute(TABLE)
            database.commit()
            began = time.perf_counter()
            for number in range(count):
                database.execute(INSERT, (str(number), "", body()))
                database.commit()
            rate = count / (time.perf_counter() - began)
        run.add(Subject.POSTGRESQL, {Figure.COMMITS: rate}, beside=Subject.POSTGRESQL)
