"""The U-Nets of pix2pix."""

from zoo import Register, hookimpl


@hookimpl
def zoo_components(register: Register) -> None:
    """Offer the U-Nets."""
    register.generator(
        "unet-deep", "zoo_unet.model:unet_deep", summary="pix2pix's U-Net: as deep as the crop allows, at most 8 levels"
    )
    register.generator(
        "unet-shallow", "zoo_unet.model:unet_shallow", summary="A U-Net of 4 levels: small, for tests and small crops"
    )
