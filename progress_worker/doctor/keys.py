"""Checks the source of the keys that sign the view's tokens."""

from __future__ import annotations

from progress_worker.doctor.findings import Finding
from progress_worker.errors import TransientError
from progress_worker.http.security.keys import KEY_TYPES, key_reader
from progress_worker.settings.complaints import PREFIX
from progress_worker.settings.view import TokenSettings


async def check_keys(settings: TokenSettings) -> list[Finding]:
    """Whether the file or the URL gives at least one key that the view can use."""
    read = key_reader(settings)
    if read is None:
        return [Finding("Tokens are signed with a secret.")]
    where = (
        f"{settings.jwt_jwks_file} ({PREFIX}JWT_JWKS_FILE)"
        if settings.jwt_jwks_file
        else f"{settings.jwt_jwks_url} ({PREFIX}JWT_JWKS_URL)"
    )
    try:
        keys = await read()
    except TransientError as error:
        return [Finding(f"The view cannot read keys from {where}: {error}.", wrong=True)]
    usable = [key for key in keys if KEY_TYPES.get(key.algorithm_name or "") == key.key_type]
    if not usable:
        return [Finding(f"{where} holds no key for {' or '.join(KEY_TYPES)}.", wrong=True)]
    return [Finding(f"{where} holds {len(usable)} usable keys.")]
