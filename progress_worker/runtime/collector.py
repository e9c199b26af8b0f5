"""The pace of Python's collector of cycles, for processes that hold many learners in memory."""

from __future__ import annotations

import gc


def tune_collector() -> None:
    """Look for cycles less often, because reference counts free what a batch makes.

    At Python's default pace the collector walks through the cached learners over and over. That
    took three tenths of the worker's time per event. The cached learners and two batches are
    360,000 objects at most. A walk through them takes a tenth of a second, so it waits for more
    objects than these.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(500_000, 50, 100)
