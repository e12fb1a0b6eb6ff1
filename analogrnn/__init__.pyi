# The front door: what `import analogrnn as ar` offers. `__init__.py` loads each name from here on its first use.

from . import datasets as datasets
from . import metrics as metrics
from . import network as network
from . import technology as technology
from . import train as train
from .agreement.check import AgreementSetup as AgreementSetup
from .agreement.check import check_agreement as check_agreement
from .agreement.compare import Agreement as Agreement
from .analysis.bits.search import analyze_bits as analyze_bits
from .analysis.fixed_points.report import analyze_fixed_points as analyze_fixed_points
from .analysis.noise.report import analyze_noise as analyze_noise
from .analysis.power.report import analyze_power as analyze_power
from .analysis.sensitivity.indices import analyze_sensitivity as analyze_sensitivity
from .bill_of_materials import write_bill_of_materials as write_bill_of_materials
from .chip import Chip as Chip
from .chip import draw_chip as draw_chip
from .chip import nominal_chip as nominal_chip
from .convert.approximate import floor_thresholds as floor_thresholds
from .convert.approximate import ladder_from_data as ladder_from_data
from .convert.exact import convert_exact as convert_exact
from .convert.spec import import_network as import_network
from .datasets import LabelledClips as LabelledClips
from .design import Design as Design
from .errors import AnalogrnnError as AnalogrnnError
from .hybrid import HybridDesign as HybridDesign
from .hybrid import map_hybrid as map_hybrid
from .hybrid import simulate_hybrid as simulate_hybrid
from .mapping.circuit import map_network as map_network
from .mapping.options import MappingOptions as MappingOptions
from .montecarlo.score import Variability as Variability
from .montecarlo.statistics import MonteCarlo as MonteCarlo
from .montecarlo.statistics import yield_above as yield_above
from .montecarlo.study import run_monte_carlo as run_monte_carlo
from .network.convert import from_state_dict as from_state_dict
from .network.files import load_network as load_network
from .network.files import save_network as save_network
from .network.forward import forward as forward
from .network.model import Network as Network
from .simulate.steps import StepRun as StepRun
from .simulate.steps import simulate as simulate
from .spice.engine import run_deck as run_deck
from .spice.export import export_deck as export_deck
from .spice.reading import ProbedDeck as ProbedDeck
from .spice.reading import read_deck as read_deck
from .spice.transistor_ladder import TransistorOptions as TransistorOptions
from .spice.transistor_network import chip_setup as chip_setup
from .technology.files import load_technology as load_technology
from .technology.records import Technology as Technology

__version__: str
__all__: list[str]
