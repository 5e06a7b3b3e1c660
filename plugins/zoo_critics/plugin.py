"""The critics of pix2pix."""

from zoo import Register, hookimpl


@hookimpl
def zoo_components(register: Register) -> None:
    """Offer the critics."""
    register.critic("patch", "zoo_critics.model:patch", summary="PatchGAN: judges patches of 70 pixels, or as told")
    register.critic("pixel", "zoo_critics.model:pixel", summary="PixelGAN: judges the colour of every pixel by itself")
