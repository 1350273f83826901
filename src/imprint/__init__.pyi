from .data import indexed as indexed
from .data import load as load
from .errors import ImprintError as ImprintError
from .exploration import Exploration as Exploration
from .exploration import ExploreSettings as ExploreSettings
from .exploration import explore as explore
from .memory import ClassMemory as ClassMemory
from .on_maps import MapSettings as MapSettings
from .on_maps import frozen_prefix as frozen_prefix
from .sight import SeeSettings as SeeSettings
from .sight import Sight as Sight
from .sight import see as see
from .signatures import signature as signature
from .similarity import cosine_similarity as cosine_similarity
from .skipping import SkipGate as SkipGate
from .skipping import SkipPlan as SkipPlan
from .skipping import Suspects as Suspects
from .taps import Tap as Tap
from .training import TrainSettings as TrainSettings
from .training import plan_skip as plan_skip
from .training import train as train
from .training import train_on_maps as train_on_maps
from .types import DataSplits as DataSplits
from .types import ImageSet as ImageSet

__version__: str
