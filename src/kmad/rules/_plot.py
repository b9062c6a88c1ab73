"""Pictures of rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from kmad.rules._rules import Rules

# Above so many points a picture holds them as pixels: as shapes they would fill megabytes.
MANY = 5000


class RulesDisplay:
    """Rules as points: two measures on the axes, a third as the shade.

    Use `from_rules` to make one. The best rules by the third measure are drawn last, on top of the others.

    Parameters
    ----------
    x, y, shade : ndarray of shape (n_rules,), float64
        The measures of each rule.

    x_name, y_name, shade_name : str
        Their names.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where the rules are drawn.

    figure_ : matplotlib Figure
        The figure around it.

    scatter_ : matplotlib PathCollection
        The points.

    See Also
    --------
    association_rules : Finds the rules.

    Examples
    --------
    >>> from kmad import RulesDisplay, apriori, association_rules
    >>> baskets = [["bread", "butter"], ["bread", "butter", "tea"], ["bread"], ["tea"]]
    >>> rules = association_rules(apriori(baskets, min_support=0.25), min_confidence=0.6)
    >>> display = RulesDisplay.from_rules(rules)
    >>> display.ax_.get_ylabel()
    'confidence'
    """

    def __init__(
        self,
        x: NDArray[np.float64],
        y: NDArray[np.float64],
        shade: NDArray[np.float64],
        *,
        x_name: str,
        y_name: str,
        shade_name: str,
    ) -> None:
        self.x = x
        self.y = y
        self.shade = shade
        self.x_name = x_name
        self.y_name = y_name
        self.shade_name = shade_name

    @classmethod
    def from_rules(
        cls,
        rules: Rules,
        *,
        x: str = "support",
        y: str = "confidence",
        shade: str = "lift",
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw rules.

        Parameters
        ----------
        rules : Rules
            As `association_rules` returns them.

        x, y, shade : str, default="support", "confidence" and "lift"
            Names of measures, as `Rules.measure` takes them.

        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.

        **kwargs : dict
            Passed on to matplotlib's ``scatter``.

        Returns
        -------
        RulesDisplay
            What was drawn.

        Raises
        ------
        ImportError
            When matplotlib is not installed.
        ValueError
            When there is no such measure.
        """
        measures = (rules.measure(name) for name in (x, y, shade))
        return cls(*measures, x_name=x, y_name=y, shade_name=shade).plot(ax, **kwargs)

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> Self:
        """Draw the rules.

        Infinite shades get that of the largest finite one; points with an infinite coordinate are not drawn.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.

        **kwargs : dict
            Passed on to matplotlib's ``scatter``.

        Returns
        -------
        RulesDisplay
            The object itself, with the attributes `ax_`, `figure_` and `scatter_`.

        Raises
        ------
        ImportError
            When matplotlib is not installed.
        """
        try:
            from matplotlib import pyplot as plt  # noqa: PLC0415 - half a second of import that few need
        except ImportError as error:
            raise ImportError('pictures need matplotlib: pip install "kmad[plot]"') from error

        ax = ax or plt.subplots()[1]
        finite = self.shade[np.isfinite(self.shade)]
        shade = np.clip(self.shade, finite.min(), finite.max()) if len(finite) else np.zeros(len(self.shade))
        order = np.argsort(self.shade, kind="stable")
        options = {"s": 16, "cmap": "viridis_r", "rasterized": len(order) > MANY, **kwargs}
        self.scatter_ = ax.scatter(self.x[order], self.y[order], c=shade[order], **options)
        self.ax_, self.figure_ = ax, ax.figure
        self.figure_.colorbar(self.scatter_, ax=ax, label=_words(self.shade_name))
        ax.set(xlabel=_words(self.x_name), ylabel=_words(self.y_name))
        return self


def _words(name: str) -> str:
    return name.replace("_", " ")
