"""The view starts without settings of Kafka, and says in one sentence what it lacks."""

from __future__ import annotations

import pytest

from progress_worker.errors import ConfigurationError
from progress_worker.settings.view import load_token_settings, load_view_settings

GOOD = {
    "PROGRESS_VIEW_DATABASE_URL": "postgresql://view@db/progress",
    "PROGRESS_JWT_ISSUER": "https://issuer.test",
    "PROGRESS_JWT_AUDIENCE": "progress-view",
    "PROGRESS_JWT_SECRET": "a secret of more than thirty-two characters",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_the_view_prefers_its_own_database(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("PROGRESS_DATABASE_URL", "postgresql://worker@db/progress")
    assert load_view_settings().read_url == GOOD["PROGRESS_VIEW_DATABASE_URL"]
    environment.delenv("PROGRESS_VIEW_DATABASE_URL")
    assert load_view_settings().read_url == "postgresql://worker@db/progress"


def test_no_secret_is_printed(environment: pytest.MonkeyPatch) -> None:
    printed = repr(load_view_settings())
    assert GOOD["PROGRESS_JWT_SECRET"] not in printed
    assert "view@db" not in printed


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("PROGRESS_JWT_ISSUER", None, "PROGRESS_JWT_ISSUER is not set."),
        ("PROGRESS_JWT_AUDIENCE", None, "PROGRESS_JWT_AUDIENCE is not set."),
        ("PROGRESS_JWT_SECRET", None, "One of PROGRESS_JWT_SECRET, PROGRESS_JWT_JWKS_FILE and"),
        ("PROGRESS_JWT_SECRET", "short", "PROGRESS_JWT_SECRET is wrong:"),
        ("PROGRESS_JWT_JWKS_URL", "file:///etc/passwd", "PROGRESS_JWT_JWKS_URL is wrong:"),
        ("PROGRESS_VIEW_DATABASE_URL", None, "One of PROGRESS_VIEW_DATABASE_URL and"),
    ],
)
def test_what_is_missing_or_wrong(
    environment: pytest.MonkeyPatch, name: str, value: str | None, sentence: str
) -> None:
    if value is None:
        environment.delenv(name)
    else:
        environment.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        load_view_settings()
    assert str(caught.value).startswith(sentence)
    assert value is None or value not in str(caught.value)


def test_a_key_file_and_a_key_url_are_one_too_many(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("PROGRESS_JWT_JWKS_URL", "https://issuer.test/keys")
    environment.setenv("PROGRESS_JWT_JWKS_FILE", "keys.json")
    with pytest.raises(ConfigurationError, match="cannot both be set"):
        load_token_settings()


def test_a_token_can_be_minted_without_a_database(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("PROGRESS_VIEW_DATABASE_URL")
    assert load_token_settings().jwt_issuer == GOOD["PROGRESS_JWT_ISSUER"]
