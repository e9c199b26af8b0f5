"""Bearer tokens: who asks, and whose progress they may read."""

from __future__ import annotations

import datetime as dt
import hashlib
import time
from dataclasses import dataclass
from typing import Any, Final

import jwt
from starlette.exceptions import HTTPException
from starlette.requests import Request

from progress_worker.errors import ConfigurationError, FatalError
from progress_worker.http.metrics import ViewMetrics
from progress_worker.http.security.keys import KEY_TYPES, SigningKeys, key_reader
from progress_worker.settings.complaints import PREFIX
from progress_worker.settings.view import TokenSettings

#: The scope that may read every learner's progress.
READ_ANY: Final = "progress:read:any"
MAX_USER_ID: Final = 128

_MAX_TOKEN_CHARACTERS: Final = 8_192
#: Two megabytes of memory.
_MOST_VERIFIED: Final = 10_000
_SECRET_ALGORITHM: Final = "HS256"  # noqa: S105  the name of an algorithm
_REQUIRED: Final = ["exp", "iss", "aud", "sub"]


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a verified token speaks for."""

    user_id: str
    may_read_any: bool
    #: The token's `exp`, in POSIX seconds.
    expires_at: float


class UnauthorizedError(HTTPException):
    """There is no valid token. The answer says why in general terms only."""

    def __init__(self, description: str | None = None) -> None:
        challenge = 'Bearer realm="progress"'
        if description:
            challenge += f', error="invalid_token", error_description="{description}"'
        super().__init__(
            401,
            f"A valid bearer token is needed: {description or 'there is none'}.",
            {"WWW-Authenticate": challenge},
        )


class Authenticator:
    """Verifies tokens. Each algorithm accepts its own keys only, so a token cannot choose its key.

    Raises UnauthorizedError, or TransientError if the signing keys cannot be read.
    """

    def __init__(self, settings: TokenSettings, metrics: ViewMetrics) -> None:
        self._settings = settings
        self._keys = _signing_keys(settings, metrics)
        self._verified = _VerifiedTokens(self._keys)

    async def authenticate(self, request: Request) -> Principal:
        """The principal of the request."""
        token = _bearer_token(request.headers.getlist("authorization"))
        return await self.verify(token)

    async def verify(self, token: str) -> Principal:
        """The principal that the token names."""
        known = self._verified.find(token)
        if known is not None:
            return known
        try:
            header = jwt.get_unverified_header(token)
            algorithm = str(header.get("alg"))
            key = await self._key(algorithm, header.get("kid"))
            claims = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=self._settings.jwt_audience,
                issuer=self._settings.jwt_issuer,
                leeway=self._settings.jwt_leeway_seconds,
                options={"require": _REQUIRED},
            )
            expires_at = float(claims["exp"])
        except jwt.ExpiredSignatureError as error:
            raise UnauthorizedError("the token has expired") from error
        except (jwt.PyJWTError, ValueError, OverflowError, RecursionError) as error:
            raise UnauthorizedError("the token is not valid") from error
        who = Principal(_subject(claims), READ_ANY in _scopes(claims), expires_at)
        self._verified.keep(token, who)
        return who

    async def _key(self, algorithm: str, key_id: str | None) -> Any:
        secret = self._settings.jwt_secret
        if algorithm == _SECRET_ALGORITHM and secret is not None:
            return secret.get_secret_value()
        if algorithm in KEY_TYPES and self._keys is not None:
            key = await self._keys.find(algorithm, key_id)
            if key is not None:
                return key.key
        raise UnauthorizedError("no key verifies the token")


class _VerifiedTokens:
    """The principals of tokens that were verified, so that each is verified once.

    A token is forgotten when it expires, and with the next read of the signing keys or when that is
    due, since its key may be gone then. Only a digest of a token is kept.
    """

    def __init__(self, keys: SigningKeys | None) -> None:
        self._keys = keys
        self._reads = 0
        self._known: dict[bytes, Principal] = {}

    def find(self, token: str) -> Principal | None:
        """The principal, if the token was verified and still holds."""
        if self._keys is not None and not self._still_holds(self._keys):
            self._known.clear()
            return None
        who = self._known.get(_digest(token))
        return who if who is not None and time.time() < who.expires_at else None

    def keep(self, token: str, who: Principal) -> None:
        """Remember a token that was verified just now."""
        if len(self._known) >= _MOST_VERIFIED:
            del self._known[next(iter(self._known))]
        self._known[_digest(token)] = who

    def _still_holds(self, keys: SigningKeys) -> bool:
        before, self._reads = self._reads, keys.reads
        return before == keys.reads and not keys.stale


def _digest(token: str) -> bytes:
    return hashlib.blake2b(token.encode(), digest_size=32).digest()


def readable(user_id: str) -> bool:
    """Whether this can be a learner's id: 1 to 128 characters that Postgres can store."""
    return (
        1 <= len(user_id) <= MAX_USER_ID
        and "\0" not in user_id
        and not any("\ud800" <= character <= "\udfff" for character in user_id)
    )


def mint_token(
    settings: TokenSettings,
    user_id: str,
    *,
    scope: str = "",
    lifetime: dt.timedelta = dt.timedelta(hours=1),
) -> str:
    """An HS256 development token.

    Raises ConfigurationError if no secret is set, and FatalError if the id is not valid.
    """
    if settings.jwt_secret is None:
        raise ConfigurationError(f"{PREFIX}JWT_SECRET is not set.")
    if not readable(user_id):
        raise FatalError("A user id has 1 to 128 characters and no NUL.")
    now = dt.datetime.now(dt.UTC)
    claims = {
        "sub": user_id,
        "iss": settings.jwt_issuer,
        "aud": settings.jwt_audience,
        "iat": now,
        "exp": now + lifetime,
        "scope": scope,
    }
    return jwt.encode(claims, settings.jwt_secret.get_secret_value(), _SECRET_ALGORITHM)


def _signing_keys(settings: TokenSettings, metrics: ViewMetrics) -> SigningKeys | None:
    read = key_reader(settings)
    if read is None:
        return None
    return SigningKeys(
        read,
        metrics,
        cache_seconds=settings.jwt_jwks_cache_seconds,
        retry_seconds=settings.jwt_jwks_retry_seconds,
    )


def _bearer_token(headers: list[str]) -> str:
    if not headers:
        raise UnauthorizedError
    scheme, _, token = headers[0].partition(" ")
    if len(headers) > 1 or scheme.lower() != "bearer" or not token.isascii():
        raise UnauthorizedError("the header is not `Bearer` and one token")
    if not token or " " in token or len(token) > _MAX_TOKEN_CHARACTERS:
        raise UnauthorizedError("the header is not `Bearer` and one token")
    return token


def _subject(claims: dict[str, Any]) -> str:
    subject = claims["sub"]
    if not isinstance(subject, str) or not readable(subject):
        raise UnauthorizedError("the token names no learner")
    return subject


def _scopes(claims: dict[str, Any]) -> list[str]:
    scope = claims.get("scope")
    return scope.split() if isinstance(scope, str) else []
