"""What customers are worth, from the log of their purchases."""

from kmad.value._closed_forms import historical_value, retention_value
from kmad.value._monthly import Monthly, monthly_summary
from kmad.value._moving_window import moving_window_value
from kmad.value._summary import calibration_holdout, customer_summary
from kmad.value._units import DAYS_PER_MONTH

__all__ = [
    "DAYS_PER_MONTH",
    "Monthly",
    "calibration_holdout",
    "customer_summary",
    "historical_value",
    "monthly_summary",
    "moving_window_value",
    "retention_value",
]
