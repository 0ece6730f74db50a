"""What ``lantime.set-http-sessions`` does in every app that talks to a device."""

from pydantic import ValidationError

from broker.handlers.context import Documents
from lantime.contract import HTTP_SESSION_SETTINGS, HttpSessionSettings, HttpSessionsInForce, SetHttpSessions
from lantime.contract.http_sessions import SETTINGS
from lantime.http_sessions.recorder import Recorder


def set_http_sessions(command: SetHttpSessions, documents: Documents, recorder: Recorder) -> HttpSessionsInForce:
    """Keep the settings, let them hold at once, answer with them. A command without any only asks."""
    kept = _kept(documents)
    if kept is not None:
        # The service may have begun a moment ago, and not have loaded them yet.
        recorder.use(kept)
    wanted = {"enabled": command.enabled, "maximum": command.maximum}
    settings = recorder.settings.model_copy(update={name: value for name, value in wanted.items() if value is not None})
    # They differ from what is kept, too, when an earlier run of the command let them hold and its outcome was lost.
    if settings != kept:
        settings = settings.model_copy(update={"revision": settings.revision + 1})
        documents.put(HTTP_SESSION_SETTINGS, SETTINGS, settings)
        recorder.use(settings)
    return HttpSessionsInForce(enabled=settings.enabled, maximum=settings.maximum)


def _kept(documents: Documents) -> HttpSessionSettings | None:
    try:
        return documents.get(HTTP_SESSION_SETTINGS, SETTINGS, HttpSessionSettings)
    except ValidationError:
        # Damaged, or of another version: what is set now takes its place.
        return None
