"""Offers the data sets that come with zoo."""

from zoo import Register, hookimpl


@hookimpl
def zoo_components(register: Register) -> None:
    """Register the data sets by import string."""
    register.dataset("folder", "zoo_datasets.folder:folder", summary="A folder of your own photographs")
    register.dataset("scenes", "zoo_datasets.scenes:scenes", summary="Landscapes drawn on the fly: nothing to download")
    register.dataset("shards", "zoo_datasets.shards:shards", summary="Tar files of photographs, as WebDataset has them")
    register.dataset(
        "torchvision", "zoo_datasets.torchvision:image_set", summary="An image set of torchvision, by name"
    )
