"""From a model and photographs to coloured ones: whole albums, each photograph to its own file."""

from zoo.colorize.album import FORMATS, Job, Outcome, colorize_all, jobs_of, name_results, plan, take_shard
from zoo.colorize.ledger import LEDGERS, Ledger, Made
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
