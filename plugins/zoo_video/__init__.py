"""Films: read, coloured without flicker, and written with all that they came with."""
