"""All kinds of layers, by the names that files use."""

from analogrnn.network.layers import Activation, Deviation, Glu, LayerNorm, Linear, Pooling, ReLU, Scale
from analogrnn.network.recurrent import AlphaCmru, Cmru, FirstQuadrantBmru

Recurrent = Cmru | FirstQuadrantBmru | AlphaCmru
Layer = Linear | Scale | LayerNorm | Deviation | ReLU | Activation | Glu | Pooling | Recurrent
LAYER_TYPES: dict[str, type] = {
    cls.kind: cls
    for cls in (Linear, Scale, LayerNorm, Deviation, ReLU, Activation, Glu, Pooling, Cmru, FirstQuadrantBmru, AlphaCmru)
}
