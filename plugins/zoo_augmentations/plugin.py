"""Augmentations, which a recipe's `augment` names one after the other."""

from zoo import Register, hookimpl


@hookimpl
def zoo_components(register: Register) -> None:
    """Offer the augmentations."""
    register.augmentation("crop", "zoo_augmentations.geometry:Crop", summary="Random squares instead of the largest")
    register.augmentation("flip", "zoo_augmentations.geometry:Flip", summary="Half of the pictures mirrored")
    register.augmentation("film", "zoo_augmentations.film:Film", summary="Grain, contrast and fading of old film")
