"""What a Design consists of: its devices, the element that carries each trained parameter, and a summary.

`devices` is the one inventory of transistors; counts and areas are sums over it.
"""

from analogrnn.bill_of_materials.blocks import BLOCKS, Transistor
from analogrnn.bill_of_materials.devices import DeviceGroup, devices, transistors
from analogrnn.bill_of_materials.parts import Part, bill_of_materials, write_bill_of_materials, write_parts
from analogrnn.bill_of_materials.summary import summary, summary_rows

__all__ = [
    "BLOCKS",
    "DeviceGroup",
    "Part",
    "Transistor",
    "bill_of_materials",
    "devices",
    "summary",
    "summary_rows",
    "transistors",
    "write_bill_of_materials",
    "write_parts",
]
