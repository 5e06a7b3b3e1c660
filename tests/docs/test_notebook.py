"""docs/notebook.ipynb runs from top to bottom, and what it says is to be seen is there."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat", reason="needs nbformat, which `make test` installs")
nbclient = pytest.importorskip("nbclient", reason="needs nbclient, which `make test` installs")
pytest.importorskip("ipykernel", reason="needs ipykernel, which `make test` installs")

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebook.ipynb"
# The same run, in seconds.
SMALL = {
    "unet-shallow:base=16": "unet-shallow:base=2,depth=2",
    "batch=8": 'data="scenes:side=48,length=10,val=4", size=32, batch=2, device="cpu"',
    "minutes=0.5": "minutes=None, steps=4",
    "val_every=50": "val_every=2",
    "val_images=16": "val_images=2",
    "side=256": "side=64",
}


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """What each of its cells shows."""
    notebook = nbformat.read(NOTEBOOK, 4)
    nbformat.validate(notebook)
    waiting = dict(SMALL)
    for cell in notebook.cells:
        for old in [old for old in waiting if cell.cell_type == "code" and old in cell.source]:
            cell.source = cell.source.replace(old, waiting.pop(old))
    assert not waiting, "the notebook has changed"
    folder = tmp_path_factory.mktemp("notebook")
    kept = {name: os.environ.get(name) for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "OMP_NUM_THREADS")}
    os.environ |= {"IPYTHONDIR": str(folder), "JUPYTER_RUNTIME_DIR": str(folder), "OMP_NUM_THREADS": "1"}
    try:
        nbclient.NotebookClient(
            notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
        ).execute()
    finally:
        for name, value in kept.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    return {cell.id: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}


def shown(outputs: list[Any], kind: str) -> list[str]:
    return [output.data[kind] for output in outputs if kind in output.get("data", {})]


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["load", "natural", "first", "mine"])
def test_pictures_display_themselves(cells: dict[str, list[Any]], cell: str) -> None:
    assert len(shown(cells[cell], "image/png")) == 1


@pytest.mark.slow
def test_a_run_has_one_bar_that_moved_and_the_newest_samples(cells: dict[str, list[Any]]) -> None:
    pages = shown(cells["run"], "text/html")
    assert len([page for page in pages if re.search(r"\d+% step \d+, epoch", page)]) == 1
    assert len(shown(cells["run"], "image/png")) == 1
    said = re.sub("<[^>]*>", "", "".join(pages))
    assert "step 2, validation:" in said
    assert "finished: runs/unet-shallow-1" in said


@pytest.mark.slow
def test_metrics_are_a_table_and_curves_are_drawn(cells: dict[str, list[Any]]) -> None:
    (table,) = shown(cells["metrics"], "text/html")
    assert "loss l1" in table
    assert ">grey</td>" in table
    assert len(shown(cells["plot"], "image/png")) == 1


def test_it_is_kept_without_outputs() -> None:
    for cell in nbformat.read(NOTEBOOK, 4).cells:
        assert not cell.get("outputs"), cell.id
        assert cell.get("execution_count") is None


def test_its_links_lead_somewhere() -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([\w./-]+)\)", text)
    assert links
    for link in links:
        assert (NOTEBOOK.parent / link).is_file(), link
