"""What customers are worth, from the log of their purchases."""

from kmad.value._monthly import DAYS_PER_MONTH, Monthly, monthly_summary

__all__ = ["DAYS_PER_MONTH", "Monthly", "monthly_summary"]
