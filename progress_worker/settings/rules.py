"""Loads the rules that the settings name: the catalogue and the level thresholds."""

from __future__ import annotations

from importlib.resources import files
from typing import NamedTuple

from progress_worker.domain.catalogue import Catalogue, parse_catalogue
from progress_worker.domain.skills import LevelRules, Threshold
from progress_worker.errors import ConfigurationError
from progress_worker.settings.complaints import PREFIX, unreadable
from progress_worker.settings.shared import LevelThreshold, SharedSettings


def load_catalogue(settings: SharedSettings) -> Catalogue:
    """The catalogue of this deployment; raises ConfigurationError that names the variable."""
    path = settings.catalogue_file
    if path is not None:
        variable = f"{PREFIX}CATALOGUE_FILE"
        try:
            return parse_catalogue(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise unreadable(variable, path, error) from error
        except ValueError as error:
            raise ConfigurationError(f"{variable} is wrong: {path}: {error}.") from error
    default = files("progress_worker.domain") / "achievements.yaml"
    return parse_catalogue(default.read_text(encoding="utf-8"))


class LoadedCatalogue(NamedTuple):
    """What a catalogue is; without a `file` it is the built-in one."""

    file: str | None
    version: int
    achievements: int

    def __str__(self) -> str:
        return (
            f"The catalogue ({self.file or 'built in'}) is version {self.version} with "
            f"{self.achievements} achievements."
        )


def loaded(settings: SharedSettings) -> LoadedCatalogue:
    """What the catalogue is; raises ConfigurationError as `load_catalogue` does."""
    path, catalogue = settings.catalogue_file, load_catalogue(settings)
    file = None if path is None else str(path.absolute())
    return LoadedCatalogue(file, catalogue.version, len(catalogue.achievements))


def level_rules(settings: SharedSettings) -> LevelRules:
    """The thresholds of this deployment in exact hundredths."""

    def threshold(wanted: LevelThreshold) -> Threshold:
        return Threshold(wanted.exercises, round(wanted.mean_grade * 100))

    return LevelRules(
        threshold(settings.level_intermediate),
        threshold(settings.level_advanced),
        threshold(settings.level_expert),
    )
