"""The rules that this deployment's settings ask for: its catalogue and its level thresholds."""

from __future__ import annotations

from importlib.resources import files

from progress_worker.domain.catalogue import Catalogue, parse_catalogue
from progress_worker.domain.skills import LevelRules, Threshold
from progress_worker.errors import ConfigurationError
from progress_worker.settings import PREFIX, LevelThreshold, SharedSettings


def load_catalogue(settings: SharedSettings) -> Catalogue:
    """The catalogue of this deployment; raises ConfigurationError that names the variable."""
    path = settings.catalogue_file
    try:
        if path is not None:
            return parse_catalogue(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{PREFIX}CATALOGUE_FILE is wrong: {error}.") from error
    default = files("progress_worker.domain") / "achievements.yaml"
    return parse_catalogue(default.read_text(encoding="utf-8"))


def level_rules(settings: SharedSettings) -> LevelRules:
    """The thresholds of this deployment in exact hundredths."""

    def threshold(wanted: LevelThreshold) -> Threshold:
        return Threshold(wanted.exercises, round(wanted.mean_grade * 100))

    return LevelRules(
        threshold(settings.level_intermediate),
        threshold(settings.level_advanced),
        threshold(settings.level_expert),
    )
