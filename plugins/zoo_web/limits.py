"""How much at once. Whoever has more has `zoo colorize`."""

PHOTOGRAPHS = 200
"""On the page, at once."""
MEGABYTES = 200
"""Of one photograph's file."""
MEGAPIXELS = 100
"""Of one photograph."""
HINTS = 200
"""In one photograph."""
SIZE = (16, 1024)
"""Short sides that a model may see, in pixels."""
SATURATION = (0.0, 4.0)
SEED = (0, 2**31 - 1)
NAME = 240
"""Bytes of a file's name, so that there is room for another suffix."""
WAITING = 16
"""Photographs that arrive, wait for their turn, or have it."""
SECONDS = 120
"""For a photograph to arrive."""
