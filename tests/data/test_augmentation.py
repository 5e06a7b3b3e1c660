from __future__ import annotations

import pytest

from zoo import UsageError
from zoo.data.augmentation import Augmentation


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("none", Augmentation(1.0, flip=False)),
        ("flip", Augmentation(1.0, flip=True)),
        ("crop", Augmentation(0.6)),
        ("crop:smallest=0.9+flip", Augmentation(0.9, flip=True)),
    ],
)
def test_what_a_recipe_says_is_read(text: str, expected: Augmentation) -> None:
    assert Augmentation.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("crpo", r"no augmentation 'crpo': did you mean 'crop'\? \(there is: crop, flip, and none\)"),
        ("crop:smalest=1", "crop has no option 'smalest'"),
        ("crop:smallest=0", "smallest=0 is not a number above 0 and at most 1"),
        ("crop:smallest=big", "smallest=big is not a number"),
        ("crop+", "expected the name of a component"),
    ],
)
def test_what_makes_no_sense_is_said(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Augmentation.parse(text)
