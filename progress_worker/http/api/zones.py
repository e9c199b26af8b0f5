"""Zones that this release does not know. Learners who have one get their answers in UTC."""

from __future__ import annotations

import structlog

from progress_worker.http.metrics import ViewMetrics


class UnknownZones:
    """Counts reads of learners with an unknown zone, and logs each such zone once.

    A worker only stores zones that it knows. The view may not know one if a release was rolled
    back, or if the name was removed from the IANA database.
    """

    def __init__(self, metrics: ViewMetrics) -> None:
        self._metrics = metrics
        self._logged: set[str] = set()

    def note(self, zone: str) -> None:
        """Count a read of a learner with that zone."""
        self._metrics.unknown_zones.inc()
        if zone not in self._logged:
            self._logged.add(zone)
            structlog.get_logger().warning("view_zone_unknown", zone=zone)
