"""From a model and photographs to coloured ones: whole albums, each photograph to its own file."""

from zoo.colorize.album import Outcome, colorize_all
from zoo.colorize.ledger import LEDGERS, Ledger, Made
from zoo.colorize.planning import FORMATS, Job, jobs_of, name_results, plan, take_shard
from zoo.colorize.proof import ProofSheets

__all__ = [
    "FORMATS",
    "LEDGERS",
    "Job",
    "Ledger",
    "Made",
    "Outcome",
    "ProofSheets",
    "colorize_all",
    "jobs_of",
    "name_results",
    "plan",
    "take_shard",
]
