"""Critics: PatchGAN and PixelGAN."""
