"""Who may log in to the simulated device, with what level, and the bearer tokens given out."""

import base64
import binascii
import hmac
import secrets
from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """The LTOS user levels (vendor document): ``info`` reads, the others write too (inferred).

    What only a super-user may do is not known: here both may do the same.
    """

    INFO = 1
    ADMIN = 2
    SUPER_USER = 3


@dataclass(frozen=True, kw_only=True)
class Account:
    """A user with password and level."""

    username: str
    password: str
    level: Level


class Accounts:
    """The accounts of one device; at first ``info``/``info`` to read, ``admin``/``admin`` and ``super``/``super`` to write."""

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}
        self._tokens: dict[str, str] = {}
        for username, level in (("info", Level.INFO), ("admin", Level.ADMIN), ("super", Level.SUPER_USER)):
            self.put(Account(username=username, password=username, level=level))

    def put(self, account: Account) -> None:
        """Add an account or replace the one with this name, whose tokens end."""
        self._accounts[account.username] = account
        self._tokens = {token: name for token, name in self._tokens.items() if name != account.username}

    def get(self, username: str) -> Account | None:
        """Return the account with this name, if any."""
        return self._accounts.get(username)

    def revoke_tokens(self) -> None:
        """End every token: the next request with one is refused."""
        self._tokens.clear()

    def new_token(self, account: Account) -> str:
        """Return a new token, a long upper-case hexadecimal string (vendor document). It never ends by itself."""
        token = secrets.token_hex(64).upper()
        self._tokens[token] = account.username
        return token

    def by_basic(self, authorization: str | None) -> Account | None:
        """Return the account of a ``Basic`` header, or None."""
        scheme, _, encoded = (authorization or "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            username, _, password = base64.b64decode(encoded, validate=True).decode("utf-8").partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        account = self._accounts.get(username)
        if account is None or not hmac.compare_digest(account.password.encode(), password.encode()):
            return None
        return account

    def by_any(self, authorization: str | None) -> Account | None:
        """Return the account of a ``Bearer`` or ``Basic`` header, or None."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() == "bearer":
            return self._accounts.get(self._tokens.get(token, ""))
        return self.by_basic(authorization)
