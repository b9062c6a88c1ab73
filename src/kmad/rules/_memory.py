"""How much fits in memory."""

import os
from contextlib import suppress
from pathlib import Path

# A set takes some 20 bytes in the search, and while it is put in order twice its length times four.
BYTES_PER_SET = 200
# Where the system does not say.
CAUTIOUS = 1 << 32


def itemsets_at_hand() -> int:
    """How many sets fit in half of the memory that is free."""
    return max(1, memory_at_hand() // 2 // BYTES_PER_SET)


def memory_at_hand() -> int:
    """Bytes that may be taken, or a cautious number where the system does not say."""
    sizes = []
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        sizes.append(1024 * int(next(line for line in lines if line.startswith("MemAvailable")).split()[1]))
    with suppress(OSError, ValueError):
        sizes.append(int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    if not sizes:
        with suppress(AttributeError, OSError, ValueError):
            sizes.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)
    return min(sizes, default=CAUTIOUS)
