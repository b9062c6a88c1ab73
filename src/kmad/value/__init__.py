"""What customers are worth, from the log of their purchases."""

from kmad.value._monthly import Monthly, monthly_summary
from kmad.value._summary import calibration_holdout, customer_summary
from kmad.value._units import DAYS_PER_MONTH

__all__ = ["DAYS_PER_MONTH", "Monthly", "calibration_holdout", "customer_summary", "monthly_summary"]
