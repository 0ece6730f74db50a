"""What is wrong with an executor's class, said when it is registered."""

import inspect
from typing import Any, get_args, get_origin, get_type_hints

from broker.handlers.executor import MessageExecutor
from broker.handlers.phases import Phase
from broker.messages.catalogue import place
from broker.messages.message import Command, Message, Reply


def check_executor(name: str, message: type[Message], executor: type[Any]) -> None:
    """Raise TypeError, naming class and phase, when it cannot execute the message."""
    if not issubclass(executor, MessageExecutor):
        raise TypeError(
            f"{name} is a class, but no executor: derive it from MessageExecutor[{message.__name__}, …],"
            " or register a function"
        )
    executes = _executes(executor)
    if executes is not None and not issubclass(message, executes):
        raise TypeError(f"{name} is registered for {place(message)}, but executes {place(executes)}")
    if len(inspect.signature(executor).parameters) != 2:  # noqa: PLR2004 the message and the context
        raise TypeError(f"{name}.__init__ must take two arguments beside self: the message and its Context")
    for phase in Phase:
        if phase in executor.phases:
            _check_phase(f"{name}.{phase}", message, phase, getattr(executor, phase))
    expected = _reply_of(message)
    if expected is not type(None) and Phase.REPLY not in executor.phases:
        raise TypeError(f"{name} must have reply(): {place(message)} is answered by {place(expected)}")


def _check_phase(name: str, message: type[Message], phase: Phase, method: Any) -> None:
    if not inspect.isfunction(method) or len(inspect.signature(method).parameters) != 1:
        raise TypeError(f"{name} must be a method without arguments beside self: what it needs is kept on self")
    if inspect.isgeneratorfunction(method) or inspect.isasyncgenfunction(method):
        raise TypeError(f"{name} must not yield: a phase runs once, from its beginning to its end")
    returned = get_type_hints(method).get("return")
    if not isinstance(returned, type):
        return
    match phase:
        case Phase.REPLY:
            expected = _reply_of(message)
            if not issubclass(returned, expected):
                raise TypeError(
                    f"{name} returns {place(returned)}, but {place(message)} is answered by {place(expected)}"
                )
        case Phase.VALIDATE:
            if returned is not bool:
                raise TypeError(
                    f"{name} returns {place(returned)}, but must return bool: whether there is something to do"
                )
        case _:
            if returned is not type(None):
                raise TypeError(f"{name} returns {place(returned)}, but what a phase finds out is kept on self")


def _reply_of(message: type[Message]) -> type[Reply] | type[None]:
    reply = message.reply_class() if issubclass(message, Command) else None
    return type(None) if reply is None else reply


def _executes(executor: type[Any]) -> type[Message] | None:
    """Return the message class that its base ``MessageExecutor[…]`` names; None when it names none."""
    for each in executor.__mro__:
        for base in getattr(each, "__orig_bases__", ()):
            origin, args = get_origin(base), get_args(base)
            if isinstance(origin, type) and issubclass(origin, MessageExecutor):
                for named in args:
                    if isinstance(named, type) and issubclass(named, Message):
                        return named
    return None
