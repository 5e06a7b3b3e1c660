"""What validation measures: numbers by name, as many pictures as a metric needs, and what chooses the best model."""

from __future__ import annotations

from types import SimpleNamespace

import faulty
import pytest
from tiny import tiny

from zoo.errors import UsageError
from zoo.registry.contracts import Metric
from zoo.training.assembly import Assembly, assemble
from zoo.training.guards import CheckedMetric
from zoo.training.validation import grey_baseline, validate, validation_images


def assembled(count: int = 4, **metrics: Metric) -> Assembly:
    assembly = assemble(tiny(val_images=count))
    component = SimpleNamespace(broken=ValueError)
    assembly.metrics |= {name: CheckedMetric(metric, component, name) for name, metric in metrics.items()}  # type: ignore[arg-type]
    return assembly


def test_several_numbers_of_a_metric_have_its_name_before_theirs() -> None:
    assembly = assembled(shares=faulty.shares())
    images = validation_images(assembly)
    measured, _ = validate(assembly.generator, assembly, images)
    own = ["chroma_error", "psnr", "colourfulness", "variety", "bins.effective", "bins.covered"]
    assert list(measured) == [*own, "shares.a", "shares.b"]
    assert grey_baseline(assembly, images).keys() == measured.keys()
    assert all(type(value) is float for value in measured.values())


def test_a_metric_that_needs_more_photographs_has_no_number() -> None:
    assembly = assembled(extent=faulty.Extent())
    images = validation_images(assembly)
    assert {"variety", "extent"} <= grey_baseline(assembly, next(images.split(2))).keys()
    few = grey_baseline(assembly, next(images.split(1)))
    assert list(few) == ["chroma_error", "psnr", "colourfulness", "bins.effective", "bins.covered"]


def test_the_best_model_is_chosen_by_a_single_number() -> None:
    assembly = assembled()
    chroma_error = assembly.metrics.pop("chroma_error")
    assembly.metrics = assembled(shares=faulty.shares()).metrics
    assembly.metrics = {"shares": assembly.metrics["shares"], "chroma_error": chroma_error}
    with pytest.raises(
        UsageError, match=r"metric shares returns several numbers \(shares\.a, shares\.b\), and the first"
    ):
        grey_baseline(assembly, validation_images(assembly))


def test_the_metric_that_chooses_needs_enough_photographs() -> None:
    assembly = assembled(count=1, extent=faulty.Extent())
    validation_images(assembly)
    assembly.metrics = {"extent": assembly.metrics["extent"]}
    with pytest.raises(UsageError, match=r"metric extent needs 2 validation photographs .*; there is 1: write another"):
        validation_images(assembly)
