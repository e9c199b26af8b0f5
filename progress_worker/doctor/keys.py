"""Looks at the source of the keys that sign the view's tokens."""

from __future__ import annotations

import asyncio

from jwt import PyJWKSet, PyJWTError

from progress_worker.doctor.findings import Finding
from progress_worker.http.keys import KEY_TYPES, read_file, read_url
from progress_worker.settings import TokenSettings


async def check_keys(settings: TokenSettings) -> list[Finding]:
    """Whether the file or the URL gives at least one key that the view can use."""
    path, url = settings.jwt_jwks_file, settings.jwt_jwks_url
    if path is not None:
        where, read = str(path), read_file(path)
    elif url is not None:
        where, read = url, read_url(url, settings.jwt_jwks_timeout_seconds)
    else:
        return [Finding("Tokens are signed with a secret.")]
    try:
        keys = PyJWKSet.from_dict(await asyncio.to_thread(read)).keys
    except (PyJWTError, OSError, ValueError, TypeError, AttributeError) as error:
        told = f"No keys can be read from {where}: {type(error).__name__}."
        return [Finding(told, wrong=True)]
    usable = [key for key in keys if KEY_TYPES.get(key.algorithm_name or "") == key.key_type]
    if not usable:
        return [Finding(f"{where} holds no key for {' or '.join(KEY_TYPES)}.", wrong=True)]
    return [Finding(f"{where} holds {len(usable)} usable keys.")]
