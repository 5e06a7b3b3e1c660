"""The decoders of segmentation-models-pytorch, each with any of its encoders or of timm's."""

from zoo import Register, hookimpl

SUMMARIES = {
    "unet": "U-Net with a pretrained encoder",
    "unetplusplus": "U-Net++: nested skip connections",
    "fpn": "Feature pyramid network",
    "linknet": "LinkNet: skip connections that are added; small and fast",
    "manet": "MA-Net: attention over positions and scales",
    "pan": "Pyramid attention network",
    "pspnet": "PSPNet: pyramid pooling; coarse",
    "deeplabv3": "DeepLabV3: dilated convolutions",
    "deeplabv3plus": "DeepLabV3+: dilated convolutions and one skip connection",
    "upernet": "UPerNet: pyramid pooling over a feature pyramid",
    "segformer": "SegFormer: a light decoder, made for mit_b0 to mit_b5",
    "dpt": "DPT: a decoder for vision transformers",
}


@hookimpl
def zoo_components(register: Register) -> None:
    """Offer one generator per decoder."""
    for name, summary in SUMMARIES.items():
        register.generator(f"smp-{name}", f"zoo_smp.model:{name}", summary=summary)
