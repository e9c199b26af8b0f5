"""A batch of observations gives the same metrics as single observations."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram

from progress_worker.telemetry.metrics import BulkHistogram

BOUNDS = (0.5, 1, 10)


@given(st.lists(st.floats(0, 20) | st.sampled_from(BOUNDS)))
def test_all_at_once_are_the_same_as_one_by_one(amounts: list[float]) -> None:
    one_by_one, at_once = CollectorRegistry(), CollectorRegistry()
    single = Histogram("waited", "…", buckets=BOUNDS, registry=one_by_one)
    bulk = BulkHistogram("waited", "…", ["of"], buckets=BOUNDS, registry=at_once).labels("all")
    for amount in amounts:
        single.observe(amount)
    bulk.observe_all(amounts)
    for bound in ("0.5", "1.0", "10.0", "+Inf"):
        name, label = "waited_bucket", {"le": bound}
        assert at_once.get_sample_value(name, label | {"of": "all"}) == (
            one_by_one.get_sample_value(name, label)
        )
    assert at_once.get_sample_value("waited_count", {"of": "all"}) == len(amounts)
    total = at_once.get_sample_value("waited_sum", {"of": "all"})
    assert total is not None
    assert abs(total - sum(amounts)) < 1e-6
