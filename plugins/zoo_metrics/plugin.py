"""Metrics over the validation images of a run."""

from zoo import Register, hookimpl


@hookimpl
def zoo_components(register: Register) -> None:
    """Offer the metrics; registry.toml says which are taken, and the first of them chooses the best model."""
    register.metric("chroma_error", "zoo_metrics.pixels:ChromaError", summary="Mean distance in the a*b* plane")
    register.metric("ciede2000", "zoo_metrics.pixels:CIEDE2000", summary="Mean colour difference, weighed as by eyes")
    register.metric("psnr", "zoo_metrics.pixels:PSNR", summary="Of sRGB, in dB, the mean over pictures", best="highest")
    register.metric("ssim", "zoo_metrics.pixels:SSIM", summary="Structural similarity of sRGB", best="highest")
    register.metric(
        "colourfulness",
        "zoo_metrics.colours:Colourfulness",
        summary="As a ratio to the originals': 1 is as colourful as they are",
        best="highest",
        healthy=(0.15, 2.0),
    )
    register.metric(
        "colourfulness-abs",
        "zoo_metrics.colours:AbsoluteColourfulness",
        summary="As the literature has it, of results and of originals",
        best="highest",
    )
    register.metric(
        "variety",
        "zoo_metrics.colours:Variety",
        summary="Spread of mean colours, to the originals': 0 is mode collapse",
        best="highest",
        healthy=(0.05, 2.0),
    )
    register.metric(
        "ab-histogram", "zoo_metrics.colours:ABHistogram", summary="Divergence of a*b* histograms, in bits: 0 to 1"
    )
    register.metric(
        "bins",
        "zoo_metrics.colours:Bins",
        summary="Effective number of a*b* bins, share covered",
        best="highest",
        healthy={"effective": (0.04, 1.5)},
    )
    register.metric("lpips", "zoo_metrics.perceptual:LPIPS", summary="Perceptual distance, learned, over VGG-16")
    register.metric(
        "lite0-distance", "zoo_metrics.perceptual:Lite0Distance", summary="Perceptual distance, over packaged weights"
    )
    register.metric(
        "fd", "zoo_metrics.distributions:FrechetDistance", summary="Fréchet distance, over a network of timm's"
    )
    register.metric(
        "fd-lite0", "zoo_metrics.distributions:frechet_lite0", summary="Fréchet distance, over packaged weights; no FID"
    )
    register.metric("fid", "zoo_metrics.distributions:FID", summary="Fréchet Inception distance; fetches its weights")
    register.metric(
        "kid", "zoo_metrics.distributions:KernelDistance", summary="Kernel distance, over a network of timm's"
    )
    register.metric(
        "kid-lite0", "zoo_metrics.distributions:kernel_lite0", summary="Kernel distance, over packaged weights; no KID"
    )
    register.metric(
        "critic-margin",
        "zoo_metrics.judged:CriticMargin",
        summary="By how much the model's critic tells originals",
    )
