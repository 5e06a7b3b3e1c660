"""What each kind of component must be. Shapes and units are part of the contract.

A tracker is any object whose methods implement the events of `zoo.registry.hookspecs`. A model is no object, but the
file of a trained generator: see `zoo.model`.

| thing     | is                                                                                       |
|-----------|------------------------------------------------------------------------------------------|
| photo     | uint8 tensor (3, H, W), sRGB                                                             |
| lightness | float tensor (N, 1, H, W): L*/50 - 1, so in [-1, 1]                                      |
| chroma    | float tensor (N, 2, H, W): a*/110 and b*/110. Unbounded: no tanh at the output           |
| rgb       | float tensor (N, 3, H, W): sRGB in [0, 1]                                                |
| logits    | float tensor of any shape: larger means "more like an original". No sigmoid inside       |

All but a model are made by a **factory**: a function or a class whose keyword parameters are the component's options.
Their annotations, defaults and the `Args:` of the docstring are all that zoo knows of them. These parameter names are
not options: zoo fills them in, if the factory has them.

| parameter   | of          | is                                                                                |
|-------------|-------------|-----------------------------------------------------------------------------------|
| `size`      | generator   | side of the training crops in pixels                                              |
| `restoring` | generator   | True when saved weights will be loaded next: don't fetch pretrained ones          |
| `photos`    | loss        | the training photographs, a `PhotoDataset`: for statistics at the start           |
| `restoring` | loss        | True when its saved buffers will be loaded next: don't look through the photos    |
| `split`     | data set    | "train" or "val"                                                                  |
| `progress`  | data set    | a `Progress`: to be called while files are looked through, where that takes long  |
| `params`    | optimizer   | what it moves: [(name, parameter), …] of one network, as `torch.optim` takes it   |
| `lr`        | optimizer   | the learning rate to begin with                                                   |
| `capturable`| optimizer   | True where steps are recorded as a CUDA graph: in no `step` may the host wait     |
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias, TypeVar

from zoo.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

Item: TypeAlias = "Tensor | tuple[Tensor, Mapping[str, Tensor]]"
"""A photograph as a data set hands it out, alone or with what it knows besides, by name: see `PhotoDataset`."""

Measured: TypeAlias = "Tensor | float | Mapping[str, Tensor | float]"
"""What a metric returns: a number, or several by name. {"effective": 3.2} of `bins` is measured as `bins.effective`."""

Kind: TypeAlias = Literal[
    "generator", "critic", "loss", "dataset", "augmentation", "optimizer", "metric", "tracker", "model"
]
"""A kind of component."""
Split: TypeAlias = Literal["train", "val"]
"""Which photographs of a data set: those for training, or those for validation."""

Range: TypeAlias = tuple[float, float]
"""From the one to the other, both included."""

Progress: TypeAlias = Callable[[int, "int | None"], object]
"""Is told how many files a data set has looked through so far, and of how many: None while it is still finding them.

Call it from the thread in which the factory was called, as often as you like.
"""

KINDS: tuple[Kind, ...] = (
    "generator",
    "critic",
    "loss",
    "dataset",
    "augmentation",
    "optimizer",
    "metric",
    "tracker",
    "model",
)
"""All kinds of components."""
FILLED_IN: dict[Kind, frozenset[str]] = {
    "generator": frozenset({"size", "restoring"}),
    "critic": frozenset(),
    "loss": frozenset({"photos", "restoring"}),
    "dataset": frozenset({"split", "progress"}),
    "augmentation": frozenset(),
    "optimizer": frozenset({"params", "lr", "capturable"}),
    "metric": frozenset(),
    "tracker": frozenset(),
    "model": frozenset(),
}
"""Parameters of factories that zoo fills in, by kind: they are not options."""

T = TypeVar("T")


class Picture(Protocol):
    """A batch of pictures, as losses see them. All in float32."""

    @property
    def lightness(self) -> Tensor:
        """(N, 1, H, W), in [-1, 1]."""

    @property
    def chroma(self) -> Tensor:
        """(N, 2, H, W), a*/110 and b*/110."""

    @property
    def rgb(self) -> Tensor:
        """(N, 3, H, W), sRGB in [0, 1], clipped to the gamut. Computed when first asked for, then kept."""

    def cached(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Return what an earlier call with this key computed for this picture, or compute it now.

        Losses that look at the same features of a picture share them this way.
        """


class Generator(Protocol):
    """A `torch.nn.Module` that predicts chroma from lightness.

    An integer attribute `multiple` (1 where there is none) says of which number height and width must be multiples;
    zoo pads, and crops the result. An `nn.Module` may keep any other attribute to itself.

    Its forward may have further parameters, which zoo fills in by their names:

    - `noise`: a function, noise(*shape) -> (N, *shape), standard normal, float32, on the device; to be called as often
      as needed. In training it draws from torch's global random state; in validation and in use, from a stream of each
      picture's own, which depends on the picture and a seed alone.
    - `hints`: (N, 3, H, W), colours that somebody gave: a mask in {0, 1}, and a*/110 and b*/110 where it is 1, else 0.
      In training they are drawn from the originals, in validation none is given.
    - `frames`: how many pictures of the N belong to each clip, one after another; 1 for photographs, and in use.
    - any other one WITHOUT a default is an extra: what the data set hands over under that name, (N, …). In use it is
      an RGB picture, (N, 3, H, W) in [0, 1]. One that has a default keeps it.

    One that has losses of its own has a method beside forward,

        def learn(self, real: Picture, …) -> tuple[Tensor, Mapping[str, Tensor]]

    with further parameters of the same names. Training calls it instead of forward, in training mode. It returns chroma
    (N, 2, H, W), for critics and losses, and scalars by name, which are added to the recipe's losses as they are.
    """

    def __call__(self, lightness: Tensor, **filled_in: Any) -> Tensor:
        """(N, 1, H, W) -> (N, 2, H, W)."""


class Judgement(NamedTuple):
    """What a critic may return instead of bare logits: them, and what it saw on its way to them."""

    logits: Tensor | Sequence[Tensor]
    """A tensor, or a list of them, one per scale."""
    features: Sequence[Tensor]
    """Of its inner layers, (N, …) each, always as many: see `Step.fake_features`."""


class Critic(Protocol):
    """A `torch.nn.Module` that judges pictures. It may return a `Judgement` instead: logits with features."""

    def __call__(self, lightness: Tensor, chroma: Tensor) -> Tensor | Sequence[Tensor]:
        """(N, 1, H, W) and (N, 2, H, W) -> logits, or a list of them, one per scale."""


class NoFeaturesError(UsageError):
    """A loss asks for a critic's features where there are none."""


class Step:
    """Where a run is, and what its critics saw: for methods of losses that have a parameter named `step`.

    `number` and `progress` are on the device, and change in place from step to step: compute with them as with any
    tensor, and ask neither for its value as a Python number, which would make the host wait, and could not be part of a
    CUDA graph. A weight that rises over the first tenth of a run is `(10 * step.progress).clamp(max=1)`.
    """

    def __init__(
        self,
        number: Tensor,
        progress: Tensor,
        fake_features: Sequence[Tensor] | None = None,
        real_features: Sequence[Tensor] | None = None,
        *,
        missing: str = "there are none",
    ) -> None:
        """Make one; `missing` says why there are no features, where there are none."""
        self.number = number
        """Steps taken before this one: a float32 scalar."""
        self.progress = progress
        """How much of the run is done, from 0 to 1: a float32 scalar."""
        self._fake, self._real, self._missing = fake_features, real_features, missing

    @property
    def fake_features(self) -> list[Tensor]:
        """The features of coloured pictures that the critics returned in a `Judgement`, of all of them, in float32.

        Raises:
            NoFeaturesError: there are none.
        """
        return self._found(self._fake)

    @property
    def real_features(self) -> list[Tensor]:
        """The same of originals, in the same order, and cut off: no gradient flows through them.

        Raises:
            NoFeaturesError: there are none.
        """
        return [features.detach() for features in self._found(self._real)]

    def _found(self, features: Sequence[Tensor] | None) -> list[Tensor]:
        if features is None:
            raise NoFeaturesError(self._missing)
        return [one.float() for one in features]


class ImageLoss(Protocol):
    """Compares coloured pictures with their originals. May be a `torch.nn.Module`: then zoo moves it to the device.

    Of one that is a module, zoo trains the parameters that have `requires_grad`, with the generator's optimizer, and
    keeps them and the buffers in checkpoints; frozen parameters are not kept. Write to buffers in place.

    If it has a parameter named `step`, that is a `Step`. The same goes for all methods of an `AdversarialLoss`.
    """

    def __call__(self, fake: Picture, real: Picture) -> Tensor:
        """Return a scalar. Gradients flow through `fake` alone."""


class AdversarialLoss(Protocol):
    """Both sides of the game, over the logits of one scale; zoo takes the mean over several.

    Where the generator's side has a second parameter, `real`, it gets the logits of originals, too, for relativistic
    games (Jolicoeur-Martineau 2018); gradients flow through `fake` alone. Parameters of a module learn along with the
    generator's side.

    A loss that holds the critic back by its gradients has a method beside them,

        def penalty(self, critic: Critic, real: Picture, fake: Picture) -> Tensor

    which returns another scalar for the critic to minimize. It is called in float32, outside of autocast, with the
    critic as a network that returns plain logits, and a fake that is cut off from the generator. An integer attribute
    `penalty_every` (1 where there is none) says at which steps: at every so many of them, counted so many times; at
    none if it is 0.

    Two more attributes let zoo see whether one side runs away from the other. `undecided` is the logit between
    "original" and "coloured": with it, the critic's accuracy is measured at validations. `healthy_margin` is a range,
    (low, high), for the mean logit of originals less that of coloured pictures.
    """

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """What the critic minimizes: a scalar."""

    def generator(self, fake: Tensor) -> Tensor:
        """What the generator minimizes: a scalar."""


class Metric(Protocol):
    """Measures coloured pictures against their originals: all validation images of a run, at once.

    Its value for several pictures is the mean of those of each: what is not one is a `SetMetric`. The metric that
    chooses the best model returns a single number; `best`, with which it is registered, is said of all that it returns.
    May be a `torch.nn.Module`: then zoo moves it to the device.

    An integer attribute `smallest` (1 where there is none) says how many pictures it needs before it says something.
    With fewer it is not called.

    If it has a parameter named `critic`, that is a `Critic` that returns plain logits, in evaluation mode: the one that
    the model was trained against, which sees pictures at the size that it learned at. Of several it is called for each,
    and zoo takes the mean. Where a model has none, it is not called, and there is no number: so it cannot be the one
    that chooses the best model, which a critic that learns would not choose fairly either. A `SetMetric` is given none.
    """

    def __call__(self, fake: Picture, real: Picture) -> Measured:
        """Return a number, or several by name."""


class SetMetric(Metric, Protocol):
    """A metric over a whole set, whose pictures may come one after another and in different sizes.

    What it returns when it is called is what `compare` makes of the `features` of both. Rows belong to pictures, so a
    bootstrap can draw them anew; an attribute `resampled = False` says that this costs too much, or means nothing.
    """

    def features(self, picture: Picture) -> Tensor:
        """Return what it keeps of each picture: (N, F), float32 or float64, on any device; F whatever the size."""

    def compare(self, fake: Tensor, real: Tensor) -> Measured:
        """Compare the features of two sets, (N, F) each."""


class PhotoDataset(Protocol):
    """Photographs by index. zoo does the cropping, the augmenting and the colour conversion.

    What it knows of a photograph besides is the second part of a tuple, **extras** by name: (photo, {"mask": mask}).
    They reach whoever asks for them by these names. An extra (C, H, W) with the photograph's own H and W is cropped
    with it, and resized: floating-point tensors, and uint8 ones of three channels, as photographs are; all others, such
    as masks, by taking the nearest pixel. Any other has always the same shape. Names and types are the same for all.

    A **clip** is (T, 3, H, W) in the place of a photograph, T the same for all of them: its frames are cropped and
    augmented alike. An extra of a clip may be (T, C, H, W).

    Optional attributes: `fingerprint` (str, the same for the same photographs in every process; kept in the model
    file), `left_out` (a list of `LeftOut`: files that were found and are not used) and `names` (a list of str: what
    `zoo evaluate` calls each photograph).
    """

    def __len__(self) -> int:
        """How many photographs make an epoch."""

    def __getitem__(self, index: int) -> Item:
        """uint8 (3, H, W), sRGB, H and W at least 16. The same index always returns the same photograph."""


class PhotoStream(Protocol):
    """Photographs one after another, where they have no numbers: a data set with `__iter__` and without `__getitem__`.

    It may never end, or end: then it is iterated over again, and each round is an epoch. `__len__`, which it may have,
    says how many make one. Its state is what JSON can say. After an item was handed out, `state_dict()` says where
    the next one comes from, so whatever counts is counted before the `yield`. `__iter__` goes on from the state that
    it has: that in which it was made, one that was loaded, or that after the item before.

    One process reads it at a time, and its order is that of the training: it shuffles itself. A photograph that cannot
    be read may be left out, or raise `ZooError` or `OSError` once the state is beyond it. Optional attributes are as
    for `PhotoDataset`.
    """

    def __iter__(self) -> Iterator[Item]:
        """Yield photographs, as `PhotoDataset.__getitem__` returns them."""

    def state_dict(self) -> Any:
        """Return all that the next photographs depend on, beside the options."""

    def load_state_dict(self, state: Any) -> object:
        """Take up what `state_dict` returned, here or in another process."""


class Augmentation(Protocol):
    """Changes training pictures, a batch at a time, on their device.

    What is random about it is drawn beforehand, for each picture by itself: so a run that is resumed, or has another
    number of processes that load, sees the same pictures. A method

        def draw(self, rng: np.random.Generator) -> Sequence[float]

    returns the numbers of one picture, always as many; they come back in float32. Without it there are none.

    One that chooses what is learned from has a method that is called before the picture is there,

        def window(self, rng: np.random.Generator, height: int, width: int) -> tuple[int, int, int]

    and returns the top, the left and the side of a square of the photograph, in its pixels; it may then do without
    being called. Both methods run in other processes, so it must survive pickling.

    One that moves pixels moves those of a data set's extras, too: a method

        def extra(self, tensor: Tensor, drawn: Tensor) -> Tensor

    takes (N, C, H, W) of any type and returns the same shape and type. Without it, extras stay as they are.
    """

    def __call__(self, lightness: Tensor, chroma: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 1, H, W), (N, 2, H, W) and (N, drawn numbers) -> lightness and chroma, of the same shapes.

        What generator and critic see, and what is the original for them, is what it returns. It must not write to what
        it is given, and no picture may depend on the others.
        """


class Optimizer(Protocol):
    """Moves the parameters of one network: a `torch.optim.Optimizer`, or what has its methods.

    Its state may be made of tensors, numbers, text and None, in dicts, lists and tuples. zoo sets `lr` in all
    `param_groups` before each step, in proportion to what it was there at first.

    An attribute `clip` (None where there is none) is the largest norm of all gradients of the network together; zoo
    scales larger ones down before the step. One that averages the weights itself, and needs no schedule, has methods
    `train()` and `eval()`, which exchange the weights to go on from for the averaged ones and back.
    """

    param_groups: list[dict[str, Any]]

    def step(self) -> object:
        """Move the parameters along their gradients; what has none stays."""

    def state_dict(self) -> dict[str, Any]:
        """Return all that the next step depends on."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> object:
        """Take up what `state_dict` returned."""


@dataclass(frozen=True)
class LeftOut:
    """A file that a data set found and does not use."""

    path: str
    reason: str
