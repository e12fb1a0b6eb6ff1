"""What the silicon offers: process constants and the measured behaviour of our cells, read from a calibration file."""

from analogrnn.technology.block_maps import DRIVE_AT, GAIN_AT, CellMaps
from analogrnn.technology.files import (
    KINDS,
    STANDARD,
    flat,
    load_technology,
    nested,
    quantities,
    read_document,
    technology_of,
)
from analogrnn.technology.records import (
    BOLTZMANN,
    ELEMENTARY_CHARGE,
    SIZE,
    CalibratedSize,
    Provenance,
    Table,
    Technology,
)

__all__ = [
    "BOLTZMANN",
    "DRIVE_AT",
    "ELEMENTARY_CHARGE",
    "GAIN_AT",
    "KINDS",
    "SIZE",
    "STANDARD",
    "CalibratedSize",
    "CellMaps",
    "Provenance",
    "Table",
    "Technology",
    "flat",
    "load_technology",
    "nested",
    "quantities",
    "read_document",
    "technology_of",
]
