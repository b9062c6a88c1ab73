"""What customers are worth, from the log of their purchases."""

from kmad.value._bg_bb import BGBB
from kmad.value._bg_nbd import BGNBD, MBGNBD
from kmad.value._closed_forms import historical_value, retention_value
from kmad.value._early_warning import early_warning
from kmad.value._gamma_gamma import GammaGamma
from kmad.value._lifecycle import lifecycle_value
from kmad.value._monthly import Monthly, monthly_summary
from kmad.value._moving_window import moving_window_value
from kmad.value._pareto_nbd import ParetoNBD
from kmad.value._plot import AliveDisplay, FrequencyDisplay, HoldoutDisplay, TrackingDisplay
from kmad.value._shifted_beta_geometric import ShiftedBetaGeometric
from kmad.value._summary import calibration_holdout, customer_summary
from kmad.value._units import DAYS_PER_MONTH

__all__ = [
    "BGBB",
    "BGNBD",
    "DAYS_PER_MONTH",
    "MBGNBD",
    "AliveDisplay",
    "FrequencyDisplay",
    "GammaGamma",
    "HoldoutDisplay",
    "Monthly",
    "ParetoNBD",
    "ShiftedBetaGeometric",
    "TrackingDisplay",
    "calibration_holdout",
    "customer_summary",
    "early_warning",
    "historical_value",
    "lifecycle_value",
    "monthly_summary",
    "moving_window_value",
    "retention_value",
]
