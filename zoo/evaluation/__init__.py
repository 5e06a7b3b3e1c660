"""Judging models: numbers with a pinned protocol beside what they have to be better than, and pictures to look at."""

from zoo.evaluation.evaluation import Card, Evaluation, Number, Row
from zoo.evaluation.judging import evaluate
from zoo.evaluation.protocol import Protocol, find_protocol
from zoo.evaluation.saving import save

__all__ = ["Card", "Evaluation", "Number", "Protocol", "Row", "evaluate", "find_protocol", "save"]
