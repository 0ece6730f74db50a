"""Celery with one worker that runs tasks itself, and no results."""

from functools import partial

from benchmarks.contenders.celery_app import handle, publish
from benchmarks.program import run

if __name__ == "__main__":
    run(
        {
            "publish": partial(publish, results=False),
            "handle": partial(handle, results=False, pool="solo", concurrency=1),
        }
    )
