"""Reading what is kept of HTTP sessions. A document that is damaged, or of another version, is passed over and named."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from broker.table.database import Database
from broker.table.documents import Document, find_documents
from lantime.contract import (
    HTTP_SESSION_SETTINGS,
    HTTP_SESSIONS,
    HttpSession,
    HttpSessionChunk,
    HttpSessionSettings,
)
from lantime.http_sessions.ring import number_of


@dataclass(frozen=True, slots=True)
class KeptSessions:
    """The HTTP sessions of one app as they are kept."""

    app: str
    settings: HttpSessionSettings
    chunks: dict[int, tuple[HttpSession, ...] | None]
    """By number; None when it cannot be read."""
    known: bool
    """Whether settings are kept; else they are the default."""
    problems: tuple[str, ...] = ()
    """One line for every document that cannot be read."""

    @property
    def sessions(self) -> Sequence[HttpSession]:
        """Return the newest, as many as the settings allow, the newest last."""
        found = [session for number in sorted(self.chunks) for session in self.chunks[number] or ()]
        return found[-self.settings.maximum :]


def read_kept(database: Database, app: str | None = None) -> list[KeptSessions]:
    """Return what every app keeps, or one app, in the order of their addresses. Raises TableUnavailable."""
    settings = _by_app(find_documents(database, HTTP_SESSION_SETTINGS, app=app))
    chunks = _by_app(find_documents(database, HTTP_SESSIONS, app=app))
    return [_kept(each, settings.get(each, []), chunks.get(each, [])) for each in sorted({*settings, *chunks})]


def _by_app(documents: Iterable[Document]) -> dict[str, list[Document]]:
    found: dict[str, list[Document]] = {}
    for document in documents:
        found.setdefault(document.app, []).append(document)
    return found


def _kept(app: str, settings: Sequence[Document], chunks: Sequence[Document]) -> KeptSessions:
    problems: list[str] = []
    said: HttpSessionSettings | None = None
    for document in settings:
        try:
            said = HttpSessionSettings.model_validate_json(document.body)
        except ValidationError as exc:
            problems.append(_problem(document, exc))
    found: dict[int, tuple[HttpSession, ...] | None] = {}
    for document in chunks:
        number = number_of(document.key)
        if number is None:
            problems.append(f"{app}: document {document.key!r} in {HTTP_SESSIONS} is none of this version; passed over")
            continue
        try:
            found[number] = HttpSessionChunk.model_validate_json(document.body).sessions
        except ValidationError as exc:
            found[number] = None
            problems.append(_problem(document, exc))
    return KeptSessions(app, said or HttpSessionSettings(), found, said is not None, tuple(problems))


def _problem(document: Document, exc: ValidationError) -> str:
    first = exc.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"]))
    return (
        f"{document.app}: document {document.key!r} in {document.collection} is damaged or of another version; passed over"
        f" ({f'{where}: ' if where else ''}{first['msg']})"
    )
