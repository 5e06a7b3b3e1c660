"""From a model and photographs to coloured ones: whole albums, each photograph to its own file."""

from zoo.colorize.album import Job, Outcome, colorize_all, plan

__all__ = ["Job", "Outcome", "colorize_all", "plan"]
