"""The topic that all modules of this folder add their rows to."""

from validation.claims import Topic

TOPIC = Topic("circuits")
