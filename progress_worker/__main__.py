"""`python -m progress_worker`: the command line without an installed script."""

from __future__ import annotations

from progress_worker.cli import main

if __name__ == "__main__":
    main()
