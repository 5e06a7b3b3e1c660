"""Training: `train` a recipe, `resume` a run, `rehearse` a recipe with one step."""

from zoo.training.loop import rehearse, resume, train
from zoo.training.watch import Progress, Watcher

__all__ = ["Progress", "Watcher", "rehearse", "resume", "train"]
