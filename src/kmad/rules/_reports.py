"""What a long work tells of its steps and its progress."""

import logging
import sys
import time

log = logging.getLogger("kmad")

# Seconds between two reports of progress.
EVERY = 1.0


class Reports:
    """Messages to the logger ``kmad``, or to standard error where logging has no handler; none unless wanted."""

    def __init__(self, verbose: int) -> None:
        self._wanted = verbose > 0
        self._last = time.monotonic()

    def tell(self, message: str, *values: object) -> None:
        if not self._wanted:
            return
        self._last = time.monotonic()
        if log.hasHandlers():
            log.info(message, *values)
        else:
            sys.stderr.write(message % values + "\n")

    def tell_at_times(self, message: str, *values: object) -> None:
        """Tell if the last report is some time ago."""
        if time.monotonic() - self._last > EVERY:
            self.tell(message, *values)
