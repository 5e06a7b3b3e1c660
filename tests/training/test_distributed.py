"""Several processes that train one model, on gloo and the CPU."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from copies import Copy, both, zoo, zoo_copy
from knowing import knowing_losses
from tiny import tiny

from zoo import load_model, registry, train
from zoo.data.picture import LabPicture
from zoo.errors import INTERRUPTED, UsageError
from zoo.run import Run
from zoo.training import resume
from zoo.training.checkpoint import load_checkpoint
from zoo.training.distributed import Distributed, _first_host, _place
from zoo.training.launch import _without_devices, launch
from zoo.training.objective import Objective


def arguments(**changes: Any) -> list[str]:
    path = Path("tiny.toml")
    # Without batch norm and dropout, which see a process's share of the batch, two processes compute what one does.
    path.write_text(tiny(**{"steps": 12, **changes}).to_toml())
    return ["run", "--recipe", str(path)]


def wait_for_metrics(run: Run, process: Copy) -> None:
    end = time.monotonic() + 300
    while not run.metrics:
        assert process.poll() is None, process.wait()
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.1)


def losses(run: Run) -> list[dict[str, float]]:
    return [line["losses"] for line in run.metrics if "losses" in line]


def assert_close(ours: Run, theirs: Run) -> None:
    assert len(losses(ours)) == len(losses(theirs)) > 0
    for found, expected in zip(losses(ours), losses(theirs), strict=True):
        assert found == pytest.approx(expected, rel=1e-3)
    weights, expected_weights = (load_model(run.path, "cpu").generator.state_dict() for run in (ours, theirs))
    assert all(torch.allclose(weights[name], expected_weights[name], atol=1e-3) for name in weights)


@pytest.mark.slow
def test_two_processes_compute_what_one_does() -> None:
    penalty = "l1+adv:r1=5,r1_every=2"
    one = train(tiny(steps=12, loss=penalty), name="one")
    codes, said = both(zoo, *arguments(loss=penalty), "--name", "two")
    assert codes == [0, 0], said
    assert [output.count("finished: ") for output in said] == [1, 0]
    assert_close(Run.open("runs/two"), one)


@pytest.mark.slow
def test_what_was_stopped_as_two_goes_on_as_one() -> None:
    stopped = zoo_copy(*arguments(steps=4000, val_every=10**6), "--devices", "2", "--name", "stopped")
    run = Run("runs/stopped")
    wait_for_metrics(run, stopped)
    os.killpg(stopped.pid, signal.SIGINT)
    output = stopped.wait()
    assert stopped.poll() == INTERRUPTED, output
    assert "Traceback" not in output
    assert output.count("interrupted: ") == 1
    assert run.info["state"] == "interrupted", output
    done = run.info["progress"]["steps"]
    assert done >= 10
    resume(run, steps=done + 10)
    assert run.info["progress"]["steps"] == done + 10


@pytest.mark.slow
def test_a_process_that_dies_ends_the_run_which_goes_on_from_there() -> None:
    started = zoo_copy(*arguments(steps=10**6, val_every=20), "--devices", "2", "--name", "mine")
    run = Run("runs/mine")
    wait_for_metrics(run, started)
    ranks = {process.environ()["RANK"]: process for process in psutil.Process(started.pid).children()}
    ranks["1"].kill()
    output = started.wait()
    assert started.poll() == 1
    assert "error: another of the run's processes ended, and this one cannot go on without it" in output
    assert "Traceback" not in output
    assert "OMP_NUM_THREADS" not in output
    assert "Warning" not in output
    assert run.info["state"] == "failed"
    done = run.info["progress"]["steps"]
    assert load_checkpoint(run.checkpoints)[1]["steps"] == done
    resume(run, steps=done + 2)
    assert run.info["state"] == "finished"


def test_the_exit_code_is_that_of_the_processes() -> None:
    def start() -> None:
        sys.argv = ["zoo", "show", "nothing", "--devices", "2"]
        raise SystemExit(launch(2))

    started = Copy(start)
    assert "there is no component 'nothing'" in started.wait()
    assert started.poll() == 2


WALK = """
import os
import torch
from zoo import hookimpl

@hookimpl
def zoo_components(register):
    register.dataset("walk", "walk:Walk", summary="One photograph after another")
    register.tracker("enough", "walk:Enough", summary="Ends a run")

class Walk:
    '''One photograph after another.'''

    def __init__(self, *, split: str) -> None:
        self.at = 0 if split == "train" else 1000

    def __iter__(self):
        while True:
            self.at += 1
            coarse = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(self.at))
            yield (torch.nn.functional.interpolate(coarse, (40, 40), mode="bilinear")[0] * 255).byte()

    def state_dict(self):
        return {"at": self.at}

    def load_state_dict(self, state):
        self.at = state["at"]

class Enough:
    '''Ends a run.'''

    @hookimpl
    def zoo_step(self, run):
        assert os.environ.get("RANK", "0") == "0"
        run.request_stop("enough")
"""


@pytest.mark.slow
def test_two_processes_share_a_stream_and_a_listener_stops_both(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("plugins").mkdir()
    Path("plugins/walk.py").write_text(WALK)
    monkeypatch.setenv("ZOO_PLUGINS_DIR", str(Path("plugins").resolve()))
    registry.get.cache_clear()
    data = {"data": "walk", "val_every": 10**6, "val_images": 2, "lr_decay": 0.0}
    codes, said = both(zoo, *arguments(**data, steps=4000, track="enough"), "--name", "two")
    assert codes[0] == INTERRUPTED, said
    assert codes[1] in (0, INTERRUPTED), said  # what became of the run is for the first to say
    assert "Traceback" not in "".join(said)
    run = Run.open("runs/two")
    assert run.info["reason"] == "the listener enough asked for it: enough"
    steps = run.info["progress"]["steps"]
    assert 10 <= steps < 4000
    assert load_checkpoint(run.checkpoints)[1]["data"] == {"at": 4 * steps}
    one = train(tiny(**{**data, "steps": steps}), name="one")
    weights = [load_model(each.path, "cpu").generator.state_dict() for each in (run, one)]
    assert all(torch.allclose(value, weights[1][name], atol=1e-3) for name, value in weights[0].items())


@pytest.mark.slow
def test_one_of_two_processes_runs_out_of_memory() -> None:
    recipes = {name: tiny(steps=12, batch=16, size="32,64", precision=name) for name in ("float32", "bf16")}
    image = Objective.image

    def greedy(objective: Objective, fake: LabPicture, real: LabPicture, *more: Any, **others: Any) -> Any:
        # The second process has less memory than the first, and less still for large pictures.
        if os.environ["RANK"] == "1" and len(fake.chroma) * fake.chroma.shape[-1] > 64:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return image(objective, fake, real, *more, **others)

    def short_of_memory() -> None:
        Objective.image = greedy
        for name, recipe in recipes.items():
            train(recipe, name=name)

    codes, said = both(short_of_memory)
    assert codes == [0, 0], said
    for name, recipe in recipes.items():
        run = Run.open(f"runs/{name}")
        assert run.info["state"] == "finished"
        assert load_checkpoint(run.checkpoints)[1]["micro_batch"] == 1
        assert_close(run, train(recipe, name=f"{name}-alone"))


@pytest.mark.slow
def test_losses_learn_the_same_in_two_processes_and_with_several_critics() -> None:
    critic = "patch:base=4,layers=1,norm=none,features=true"
    loss = "ramp+uncertain+0.1*rare+relativistic+feature-matching"
    recipe = tiny(loss=loss, critic=f"{critic}+2*{critic}", critic_steps=2, steps=8, lr=1e-3)

    def learn() -> None:
        with knowing_losses():
            train(recipe, name="knowing")

    codes, said = both(learn)
    assert codes == [0, 0], said
    with knowing_losses():
        alone = train(recipe, name="alone")
    ends = [load_checkpoint(run.checkpoints)[0] for run in (Run.open("runs/knowing"), alone)]
    learned = [end["loss/uncertain.log_variance"].item() for end in ends]
    assert learned[0] == pytest.approx(learned[1], rel=1e-3)
    assert abs(learned[0]) > 1e-3


def test_a_batch_must_be_divisible() -> None:
    with pytest.raises(UsageError, match="--batch 5 cannot be divided by 2 processes"):
        Distributed(0, 2).batch_per_process(5)
    assert Distributed(1, 2).batch_per_process(6) == 3


def test_each_process_has_a_gpu_of_its_own() -> None:
    assert Distributed(1, 2, 1).device("cuda") == "cuda:1"
    assert Distributed(1, 2, 1).device("cpu") == "cpu"
    assert Distributed().device("cuda:3") == "cuda:3"
    with pytest.raises(UsageError, match="write --device cuda"):
        Distributed(1, 2, 1).device("cuda:0")


def test_a_process_that_sees_one_gpu_takes_that_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert Distributed(3, 4, 3).device("cuda") == "cuda:0"
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert Distributed(3, 4, 3).device("cuda") == "cuda:3"


def test_who_is_who_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _place() == Distributed()
    with monkeypatch.context() as patched:
        for name, value in {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"}.items():
            patched.setenv(name, value)
        assert _place() == Distributed(3, 4, 1)
    slurm = {"SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "2", "SLURM_LOCALID": "0", "SLURM_JOB_ID": "7"}
    for name, value in {**slurm, "SLURM_STEP_NODELIST": "gpu[03-04]", "MASTER_ADDR": "", "MASTER_PORT": ""}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("MASTER_ADDR")
    monkeypatch.delenv("MASTER_PORT")
    assert _place() == Distributed(2, 4, 0)
    assert os.environ.pop("MASTER_ADDR") == "gpu03"
    assert os.environ.pop("MASTER_PORT") == "20007"
    assert [_first_host(nodes) for nodes in ("a", "a,b", "n[1,3]", "n[10-12]-x")] == ["a", "a", "n1", "n10"]


def test_the_command_line_is_passed_on_without_devices() -> None:
    assert _without_devices(["run", "--devices", "2", "--size", "64"]) == ["run", "--size", "64"]
    assert _without_devices(["run", "--devices=2", "--name", "x"]) == ["run", "--name", "x"]
