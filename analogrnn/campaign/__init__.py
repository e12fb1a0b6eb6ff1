"""Long runs of many independent items: in chunks, on any executor, with checkpoints that survive any interruption.

This package does not depend on networks, designs or chips: an item is a number, and its result is a row of arrays.
"""

from analogrnn.campaign.checkpoint import Checkpoint, SeriesStore
from analogrnn.campaign.chunks import Chunk, write_whole
from analogrnn.campaign.fingerprint import fingerprint
from analogrnn.campaign.runner import Failure, Gathered, Options, Progress, Series, run_campaign
from analogrnn.campaign.workers import Crew, SerialExecutor, Workers, dask_cluster, processes, serial, using

__all__ = [
    "Checkpoint",
    "Chunk",
    "Crew",
    "Failure",
    "Gathered",
    "Options",
    "Progress",
    "SerialExecutor",
    "Series",
    "SeriesStore",
    "Workers",
    "dask_cluster",
    "fingerprint",
    "processes",
    "run_campaign",
    "serial",
    "using",
    "write_whole",
]
