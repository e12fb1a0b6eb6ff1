"""The topics, in the order of the page, each with the question that it answers."""

import importlib

from validation.claims import Topic

TOPICS = {
    "contract": "Do all levels of description (digital, step, waveform, ideal cells in ngspice) agree, and does a "
    "violated condition make them disagree?",
    "circuits": "Do the cell, the ladder and the blocks work as transistors on the GF180MCU models: over corners, with "
    "mismatch and with noise, and at which power?",
    "network": "Do whole networks of transistors in ngspice classify like the digital network, and do mismatched chips "
    "behave as the behavioural model predicts?",
    "networks": "Do networks that others trained come in unchanged, and what do conversions, chips and "
    "transistors cost in accuracy?",
    "montecarlo": "Are Monte Carlo campaigns exact, can they be interrupted, and what do they cost?",
    "train": "Are the chips in training those of campaigns, and how accurate are networks that are trained for them?",
    "trim": "How much of the accuracy that mismatch costs does trimming with small DACs recover?",
    "power": "Does the power report agree with ngspice, and how does power grow with the network?",
    "sweep": "Does the standard ladder meet its specification over all corners, and do wrong specifications fail?",
    "fixed-points": "In which states can a ladder rest, which of them can pulses reach, and which disturbances heal?",
    "noise": "How often does noise cause a wrong move, and when does an analog memory hold a value better?",
    "bits": "How short can the word lengths of a network be, and is the integer model exact?",
    "sensitivity": "Which devices spread chips apart, and what does allocating the same area differently gain?",
}


def topic(name: str) -> Topic:
    """Import a topic with all its measurements."""
    found: Topic = importlib.import_module(f"validation.{name.replace('-', '_')}").TOPIC
    return found
