"""zoo's plugin for albums on several machines, by Ray."""
