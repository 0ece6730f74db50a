"""What ``lantime.set-http-sessions`` does in every app that talks to a device."""

from pydantic import ValidationError

from broker.handlers.context import Documents
from lantime.contract import HTTP_SESSION_SETTINGS, HttpSessionSettings, HttpSessionsInForce, SetHttpSessions
from lantime.contract.http_sessions import SETTINGS
from lantime.http_sessions.recorder import Recorder


def set_http_sessions(command: SetHttpSessions, documents: Documents, recorder: Recorder) -> HttpSessionsInForce:
    """Keep the settings, let them hold at once, answer with them. A command without any only asks."""
    now = recorder.settings
    kept = _kept(documents)
    # Settings of an earlier run of this very command may hold, and its outcome not have been committed.
    base = kept if kept is not None and kept.revision >= now.revision else now
    enabled = base.enabled if command.enabled is None else command.enabled
    maximum = base.maximum if command.maximum is None else command.maximum
    if base is not kept or (enabled, maximum) != (kept.enabled, kept.maximum):
        settings = HttpSessionSettings(enabled=enabled, maximum=maximum, revision=base.revision + 1)
        documents.put(HTTP_SESSION_SETTINGS, SETTINGS, settings)
        recorder.use(settings)
    return HttpSessionsInForce(enabled=enabled, maximum=maximum)


def _kept(documents: Documents) -> HttpSessionSettings | None:
    try:
        return documents.get(HTTP_SESSION_SETTINGS, SETTINGS, HttpSessionSettings)
    except ValidationError:
        # Damaged, or of another version: what is set now takes its place.
        return None
