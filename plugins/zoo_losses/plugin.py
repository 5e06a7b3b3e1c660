"""Losses over pixels, logits and features."""

from zoo import Register, hookimpl


@hookimpl
def zoo_components(register: Register) -> None:
    """Offer the losses, each with a weight that lets it be written beside `adv` without one."""
    # 100 is pix2pix's, and 70 of the distance as steep where a* and b* are equally far off. Beyond its beta, smooth-l1
    # is as steep as l1. The slope of l2 grows with the error; with 500 it is that of 100*l1 where the error is 0.1,
    # which is 11 units of a* or b*.
    register.loss("l1", "zoo_losses.image:L1", summary="Absolute error of the chroma", weight=100)
    register.loss("distance", "zoo_losses.image:Distance", summary="Distance in the a*b* plane", weight=70)
    register.loss("l2", "zoo_losses.image:L2", summary="Squared error of the chroma", weight=500)
    register.loss(
        "smooth-l1",
        "zoo_losses.image:SmoothL1",
        summary="Error of the chroma, squared where small, absolute where large",
        weight=100,
    )
    register.loss(
        "adv", "zoo_losses.adversarial:CrossEntropy", summary="The original GAN, non-saturating", adversarial=True
    )
    register.loss("adv-lsgan", "zoo_losses.adversarial:LeastSquares", summary="Least-squares GAN", adversarial=True)
    register.loss("adv-hinge", "zoo_losses.adversarial:Hinge", summary="GAN with the hinge loss", adversarial=True)
    # pix2pixHD's; its sum over layers is a mean here, and it has four of them at each scale.
    register.loss(
        "feature-matching",
        "zoo_losses.image:FeatureMatching",
        summary="Distance between what a critic sees in pictures",
        weight=10,
    )
    # Between photographs and their grey versions, vgg is 0.4 to 2.6 and gram 0.1 to 4 (VGG-16, random weights, whose
    # features have a mean square near 1). gram grows with the fourth power of the features, and trained ones are
    # larger; a tenth keeps it from outshouting the rest.
    register.loss("vgg", "zoo_losses.perceptual:Perceptual", summary="Distance between features of a network")
    register.loss(
        "gram", "zoo_losses.perceptual:Gram", summary="Distance between correlations of features: style", weight=0.1
    )
