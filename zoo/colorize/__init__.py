"""From a model and photographs to coloured ones: whole albums, each photograph to its own file."""

from zoo.colorize.album import FORMATS, Job, Outcome, colorize_all, plan, take_shard
from zoo.colorize.ledger import Ledger, Made
from zoo.colorize.proof import ProofSheets

__all__ = ["FORMATS", "Job", "Ledger", "Made", "Outcome", "ProofSheets", "colorize_all", "plan", "take_shard"]
