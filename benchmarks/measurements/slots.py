"""Budget 6: many apps, in one process and in many, beside one child; and what an idle child costs.

Everybody is up, has handled a first call and is idle before the first message that counts. One process sends to all in turn, in
calls of the same size whoever handles them; the children handle meanwhile, and the time ends when the last row is final.
Many children have to share the cores with their sender and with both servers.
"""

import time
from contextlib import ExitStack
from dataclasses import replace

from benchmarks.finality import check_final
from benchmarks.job import Job
from benchmarks.measure import QUEUE
from benchmarks.proc import cpu_seconds
from benchmarks.process import Process
from benchmarks.run import Run
from benchmarks.slot_child import slot_child
from benchmarks.subject import Figure, Subject

PROGRAM = "benchmarks.contenders.our_slots"
MOST_ROUNDS = 3
"""Forty processes take their time to start."""


def measure(run: Run) -> None:
    """Measure each arrangement in turns, then the idle child."""
    arrangements = {
        Subject.ONE_CHILD: (1, 1),
        Subject.ONE_HOST: (1, run.sizes.slots),
        Subject.MANY_CHILDREN: (run.sizes.children, 1),
    }
    call = min(200, max(1, run.sizes.messages // max(run.sizes.slots, run.sizes.children)))
    for _ in range(min(run.rounds, MOST_ROUNDS)):
        for subject, (processes, apps) in arrangements.items():
            run.add(subject, {Figure.TOTAL: _total(run, processes, apps, call)}, beside=Subject.ONE_CHILD)
    with (
        run.servers.fresh() as (amqp_url, database_url),
        slot_child(amqp_url, database_url, warm=run.sizes.warm_messages) as child,
    ):
        before = cpu_seconds(child.process.pid)
        time.sleep(run.sizes.idle_seconds)
        used = cpu_seconds(child.process.pid) - before
    run.add(Subject.CHILD, {Figure.IDLE: used / run.sizes.idle_seconds * 100}, beside=Subject.LIBRARIES)


def _total(run: Run, processes: int, apps: int, call: int) -> float:
    queues, count = processes * apps, run.sizes.messages // call * call
    with run.servers.fresh() as (amqp_url, database_url), ExitStack() as stack:
        job = Job(amqp_url=amqp_url, database_url=database_url, queue=QUEUE, count=count, queues=queues, call=call)
        own = [replace(job, queue=address, queues=1) for address in job.addresses] if processes > 1 else [job]
        children = [stack.enter_context(Process(PROGRAM, "handle", each)) for each in own]
        for child in children:
            child.until_ready()
            child.go()
        sending = stack.enter_context(Process(PROGRAM, "send", job))
        sending.until_ready()
        sending.go()
        rate = count / float(sending.result()["seconds"])
        for child in children:
            child.kill()
        check_final(database_url, f"{QUEUE}%", count + call * queues)
    return rate
