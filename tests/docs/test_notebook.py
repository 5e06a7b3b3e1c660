"""docs/notebook.ipynb runs from top to bottom, and what it says is to be seen is there."""

from __future__ import annotations

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


def run(folder: Path) -> dict[str, list[Any]]:
    """Run it, and return what each of its cells shows."""
    notebook = nbformat.read(NOTEBOOK, 4)
    nbformat.validate(notebook)
    waiting = dict(SMALL)
    for cell in notebook.cells:
        for old in [old for old in waiting if cell.cell_type == "code" and old in cell.source]:
            cell.source = cell.source.replace(old, waiting.pop(old))
    assert not waiting, "the notebook has changed"
    client = nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": folder}}
    )
    client.execute()
    return {cell.id: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}


def shown(outputs: list[Any], kind: str) -> list[str]:
    return [output.data[kind] for output in outputs if kind in output.get("data", {})]


@pytest.mark.slow
def test_it_runs_and_shows_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    cells = run(tmp_path)
    # Pictures display themselves.
    for name in ("load", "natural", "plot", "first", "mine"):
        assert len(shown(cells[name], "image/png")) == 1, name
    # A run has one bar, which moved, and one picture, the newest.
    pages = shown(cells["run"], "text/html")
    (bar,) = [page for page in pages if re.search(r"\d+% step \d+, epoch", page)]
    assert "100% step 4," in bar
    assert len(shown(cells["run"], "image/png")) == 1
    said = re.sub("<[^>]*>", "", "".join(pages))
    assert "interrupting the kernel stops and saves" in said
    assert "step 2, validation:" in said
    assert "finished: runs/unet-shallow-1" in said
    # Metrics are a table.
    (table,) = shown(cells["metrics"], "text/html")
    assert "loss l1" in table
    assert ">grey</td>" in table
    assert shown(cells["metrics"], "text/plain")[0].startswith("step  epoch")


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
