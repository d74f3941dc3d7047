"""Penalties on the coefficients, each one class: value and proximal step.

Nothing here knows how theta is laid out, in which coordinates training runs, or which
loop makes the steps.
"""

from skgd.penalties._base import Penalty
from skgd.penalties._box import Box
from skgd.penalties._elastic_net import (
    L1,
    L2,
    PENALTIES,
    ElasticNet,
    get_penalty,
    penalty_strengths,
    penalty_value,
    soft_threshold,
)
from skgd.penalties._group_lasso import GroupLasso
from skgd.penalties._mcp import MCP
from skgd.penalties._scad import SCAD

__all__ = [
    "L1",
    "L2",
    "MCP",
    "PENALTIES",
    "SCAD",
    "Box",
    "ElasticNet",
    "GroupLasso",
    "Penalty",
    "get_penalty",
    "penalty_strengths",
    "penalty_value",
    "soft_threshold",
]
