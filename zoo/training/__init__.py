"""Training: `train` a recipe, `resume` a run, take one step of a recipe in a `dry_run`."""

from zoo.events import Status
from zoo.training.callbacks import Callback, CallbackList
from zoo.training.start import dry_run, resume, train

__all__ = ["Callback", "CallbackList", "Status", "dry_run", "resume", "train"]
