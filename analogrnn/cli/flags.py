"""Errors of the library in the words of the command line.

An error of the library names a parameter of the library, as in `MappingOptions.unit_current = ...`. An argument of a
verb bears that parameter's name as its `dest`, so the verb's own parser says which flag sets it. What a flag sets under
another name stands in one table here.
"""

import argparse
import re

# parameter of the library: the `dest` of each argument that may set it, where they differ
SET_BY = {
    "cell_w": ("sizes", "cell_size"),
    "cell_l": ("sizes", "cell_size"),
    "synapse_w": ("synapse_size",),
    "synapse_l": ("synapse_size",),
    "spice_clips": ("clips",),
    "draw_chip.index": ("chip",),
    "value": ("floor",),
    "below": ("prune",),
    "quantile": ("ladder_quantile", "floor"),
}
# functions whose parameters errors name; any other name before a dot may be that of a layer
FUNCTIONS = ("area_report", "draw_chip", "random_stimulus", "run_deck", "run_decks", "run_monte_carlo", "score_chips")
_NAME = re.compile(
    rf"""(?<![\w./'"\[-])                              # not a part of a path, of a flag or of quoted text
    (?:(?P<owner>[A-Z]\w*|{"|".join(FUNCTIONS)})\.)?   # a record or a function ...
    (?P<name>[a-z]\w*)                                # ... and its parameter
    (?![\w/'"(-]|\.\w)""",
    re.VERBOSE,
)


def in_flags(text: str, args: argparse.Namespace) -> str:
    """`text` with each parameter of the library under the name of the flag that sets it.

    args  what was typed, with the `parser` of the verb; a flag that was given comes before one that was not

    A parameter is recognised by its owner (`MappingOptions.period`), by an underscore (`input_bound`), or as the first
    word of an error (`seed = -1`); other words stay as they are, and so do parameters that no flag sets.
    """
    flags = {
        action.dest: max(action.option_strings, key=len)
        for action in args.parser._actions  # argparse lists its arguments nowhere else
        if any(option.startswith("--") for option in action.option_strings)
    }

    def flag(found: re.Match[str]) -> str:
        owner, name = found["owner"], found["name"]
        first = found.start() == 0 and text[found.end() :].startswith(" = ")
        if not (owner or "_" in name or first):
            return found[0]
        setters = [dest for dest in SET_BY.get(found[0], SET_BY.get(name, (name,))) if dest in flags]
        setters.sort(key=lambda dest: getattr(args, dest, None) is None)
        return flags[setters[0]] if setters else found[0]

    return _NAME.sub(flag, text)
