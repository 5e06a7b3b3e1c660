"""Photographs from and to disk, and their colours: orientation, profiles, bit depth, transparency, camera notes."""

from zoo.errors import PhotoError
from zoo.photo.finding import PHOTO_SUFFIXES, find_photos
from zoo.photo.hint import Hint
from zoo.photo.in_memory import photo_of
from zoo.photo.reading import Photo, read_photo, read_rgb
from zoo.photo.writing import SAVED_SUFFIXES, save_photo

__all__ = [
    "PHOTO_SUFFIXES",
    "SAVED_SUFFIXES",
    "Hint",
    "Photo",
    "PhotoError",
    "find_photos",
    "photo_of",
    "read_photo",
    "read_rgb",
    "save_photo",
]
