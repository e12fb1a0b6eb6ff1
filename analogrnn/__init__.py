"""From a trained bistable or cumulative recurrent network to analog silicon.

`import analogrnn as ar` gives every name of `__init__.pyi`; each is loaded on its first use. In short:

    network = ar.load_network("digits_d16_k2")                    what was trained
    design = ar.map_network(network, ar.load_technology())        its circuit in a process
    chip = ar.draw_chip(design, seed=1, index=7)                  one manufactured sample of it
    run = ar.simulate(chip, x)                                    what that chip computes
    study = ar.run_monte_carlo(design, x, labels, chips=1000)     how many chips are good
    deck = ar.export_deck(design, x[:, 0])                        its SPICE deck
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
