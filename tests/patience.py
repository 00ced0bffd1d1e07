"""How long tests wait for what is bound to come: so long that only a hang reaches it, on any
machine beside any load."""

import time

LONG = 1800.0


def until(condition):
    """What a condition gives once it is true."""
    end = time.monotonic() + LONG
    while not (found := condition()):
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)
    return found
