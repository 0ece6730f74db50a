"""The one thread that touches pika."""

import threading

from broker.transport.rabbitmq.io_thread import IoThread


def test_what_posted_jobs_want_soon_comes_before_the_timers() -> None:
    """What follows from posted jobs runs once all of them have run and before any timer: what it writes leaves in this turn."""
    io, done, ended = IoThread("test"), list[str](), threading.Event()

    def job(name: str) -> None:
        io.later(0, lambda: done.append("timer"))
        io.soon(lambda: done.append(f"soon after {name}"))
        done.append(name)

    io.post(lambda: job("first"))
    io.post(lambda: job("second"))
    io.post(lambda: io.later(0, ended.set))
    io.start()
    assert ended.wait(10)
    io.post(io.stop)
    io.join(10)
    assert done == ["first", "second", "soon after first", "soon after second", "timer", "timer"]
