"""Photographs from and to disk, and their colours: orientation, profiles, bit depth, transparency, notes."""

from zoo.errors import PhotoError
from zoo.photo.finding import PHOTO_SUFFIXES, find_photos
from zoo.photo.hint import Hint
from zoo.photo.in_memory import photo_of
from zoo.photo.notes import Notes
from zoo.photo.reading import Photo, count_pages, read_photo, read_rgb
from zoo.photo.stored import Stored
from zoo.photo.writing import SAVED_SUFFIXES, save_photo
from zoo.photo.xmp import Mark

__all__ = [
    "PHOTO_SUFFIXES",
    "SAVED_SUFFIXES",
    "Hint",
    "Mark",
    "Notes",
    "Photo",
    "PhotoError",
    "Stored",
    "count_pages",
    "find_photos",
    "photo_of",
    "read_photo",
    "read_rgb",
    "save_photo",
]
