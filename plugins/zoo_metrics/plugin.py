"""Metrics over the validation images of a run."""

from zoo import Register, hookimpl


@hookimpl
def zoo_components(register: Register) -> None:
    """Offer the metrics; registry.toml says which are taken, and the first of them chooses the best model."""
    register.metric("chroma_error", "zoo_metrics.metrics:ChromaError", summary="Mean distance in the a*b* plane")
    register.metric(
        "psnr", "zoo_metrics.metrics:PSNR", summary="Of sRGB, in dB, the mean over pictures", best="highest"
    )
    register.metric(
        "colourfulness",
        "zoo_metrics.metrics:Colourfulness",
        summary="As a ratio to the originals': 1 is as colourful as they are",
        best="highest",
    )
    register.metric(
        "variety",
        "zoo_metrics.metrics:Variety",
        summary="Spread of mean colours, to the originals': 0 is mode collapse",
        best="highest",
    )
