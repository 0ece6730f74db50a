"""Celery with two worker processes; *started* and the result of every task are stored in PostgreSQL."""

from functools import partial

from benchmarks.contenders.celery_app import handle, publish
from benchmarks.program import run

if __name__ == "__main__":
    run(
        {
            "publish": partial(publish, results=True),
            "handle": partial(handle, results=True, pool="prefork", concurrency=2),
        }
    )
