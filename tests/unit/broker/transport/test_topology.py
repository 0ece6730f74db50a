"""What is declared at RabbitMQ."""

from __future__ import annotations

from broker.lifecycle.address import MAX_LENGTH, RESERVED
from broker.transport.rabbitmq.topology import Binding, Exchange, Queue, doorbell_of, foundation, mailbox, queue_of


def test_queues_have_no_argument_that_a_policy_could_be() -> None:
    """Arguments can never change, so queues have their type and the single active consumer only."""
    queues = [step for step in (*foundation(), *mailbox("app")) if isinstance(step, Queue)]
    assert {name for queue in queues for name in queue.arguments} == {"x-queue-type", "x-single-active-consumer"}
    assert {queue.arguments["x-queue-type"] for queue in queues} == {"quorum"}


def test_what_is_bound_is_declared_before() -> None:
    """The order of declarations works on an empty RabbitMQ."""
    declared: set[str] = set()
    for step in (*foundation(), *mailbox("m1000-a.clk1")):
        match step:
            case Exchange(arguments=arguments):
                assert set(arguments.values()) <= declared
                declared.add(step.name)
            case Queue():
                declared.add(step.name)
            case Binding():
                assert {step.queue, step.exchange} <= declared


def test_no_address_takes_a_name_of_ours() -> None:
    """Every queue and exchange under the prefix is reserved, so no app can have its name."""
    own = {step.name.removeprefix("interapp.") for step in foundation() if not isinstance(step, Binding)} - {"interapp"}
    assert own - {"dead"} <= RESERVED
    assert doorbell_of("x").split(".")[1] in RESERVED


def test_names_fit_amqp() -> None:
    """The longest address and any incarnation id give names of at most 255 plain characters."""
    assert len(queue_of("a" * MAX_LENGTH)) <= 255
    assert doorbell_of("host.example:4711/0a1b2c3d") == "interapp.replies.host.example-4711-0a1b2c3d"
