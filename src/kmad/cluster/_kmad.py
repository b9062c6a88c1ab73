"""The KMad estimator."""

import logging
import sys
import warnings
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, ClusterMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags, assert_all_finite
from sklearn.utils.validation import check_is_fitted, validate_data

from kmad._frames import check_numeric_table
from kmad._jit import frozen
from kmad._threads import Threads
from kmad._validation import check_integer, check_jobs, check_real, check_weights
from kmad.cluster._grid import Rows
from kmad.cluster._lloyd import Partition, inertia
from kmad.cluster._nearest import assign
from kmad.cluster._regions import Regions
from kmad.cluster._search import Search, find_clusters

log = logging.getLogger("kmad")


class KMad(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, BaseEstimator):
    """K-means based on density: the number of clusters and their first centres come from the data.

    The rows are looked at over a range of bandwidths, each region of significantly high density gives one cluster and
    its centre, and k-means runs from there in all features. Every cluster is then looked at again, and divided where
    it holds more than one region. There is no randomness: the same rows give the same clusters, whatever their order
    and the number of threads.

    Parameters
    ----------
    n_clusters : int or None, default=None
        None lets the density decide. A number asks for that many clusters: regions are joined where that raises the
        inertia least, or clusters divided where that lowers it most.

    significance : float in (0, 1), default=0.05
        Chance of finding a second region in rows that are all of one. Lower it to see only the clearest regions.

    max_iter : int, default=300
        Most iterations of k-means at a time.

    tol : float, default=0.0
        K-means stops when the squared shift of the centres, summed, is at most `tol` times the mean variance of the
        features. At 0 it stops when no row changes its cluster: an exact fixed point.

    n_jobs : int or None, default=-1
        Number of threads, as in joblib: -1 for all processors, None for 1 unless joblib's context says otherwise. The
        result does not depend on it.

    verbose : int, default=0
        1 tells the steps of a fit through the logger ``kmad``, or on standard error where logging has no handler.

    Attributes
    ----------
    cluster_centers_ : ndarray of shape (n_clusters, n_features)
        Mean of each cluster; the clusters stand in order of falling size.

    labels_ : ndarray of shape (n_samples,), int32
        Cluster of each row.

    inertia_ : float
        Sum of the squared distances of the rows to the centre of their cluster, weighted.

    n_iter_ : int
        Iterations of k-means in all.

    n_clusters_ : int
        Number of clusters.

    regions_ : Regions
        Why there are so many clusters: a named tuple of arrays with one entry for each region, namely `size`, `center`
        (mean of its rows), `peak` (where the density is highest; in more than three features in the projection that
        was looked at), `prominence` (height above the saddle to the next higher region, in standard deviations),
        `threshold` (the prominence that chance would reach) and `divided` (whether a second look at a cluster cut it
        off: prominence and threshold are then those of the dip of that cluster). With ``n_clusters=None`` entry j is
        the region from which cluster j grew. A single region has no saddle: its prominence is infinite.

    n_features_in_ : int
        Number of features.

    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, when X has names that are all strings.

    Raises
    ------
    ValueError
        When a parameter is out of its range, X or the weights are not finite numbers of the right shape, or the
        squares of X are not finite.
    TypeError
        When a parameter is of another type.

    Warns
    -----
    sklearn.exceptions.ConvergenceWarning
        When there are fewer distinct rows than clusters were asked for, or `max_iter` was reached.

    Notes
    -----
    A fit reads the rows a few times and sorts none: its cost grows with their number. X is not copied when it is of
    float32 or float64 in C order. Beside the labels, up to three features need a grid of some megabytes, more
    features three more numbers a row.

    The three steps (dense regions, their centroids, k-means) are the literature's K-mad. It fixes neither the cells
    nor the threshold nor what to do in many features: those are described in the user guide.

    References
    ----------
    J. A. Hartigan and P. M. Hartigan, "The dip test of unimodality", Annals of Statistics 13 (1985), 70-84.

    S. P. Lloyd, "Least squares quantization in PCM", IEEE Transactions on Information Theory 28 (1982), 129-137.

    Examples
    --------
    >>> import numpy as np
    >>> from kmad import KMad
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(m, 1.0, size=(200, 2)) for m in (0, 6, 12)])
    >>> model = KMad().fit(X)
    >>> model.n_clusters_
    3
    >>> model.predict([[0.0, 0.0], [12.0, 12.0]]) == model.labels_[[0, -1]]
    array([ True,  True])
    """

    cluster_centers_: NDArray[Any]
    labels_: NDArray[np.int32]
    inertia_: float
    n_iter_: int
    n_clusters_: int
    regions_: Regions

    def __init__(
        self,
        n_clusters: int | None = None,
        *,
        significance: float = 0.05,
        max_iter: int = 300,
        tol: float = 0.0,
        n_jobs: int | None = -1,
        verbose: int = 0,
    ) -> None:
        self.n_clusters = n_clusters
        self.significance = significance
        self.max_iter = max_iter
        self.tol = tol
        self.n_jobs = n_jobs
        self.verbose = verbose

    def fit(self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None) -> Self:
        """Find the clusters.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features)
            Finite numbers.

        y : None
            Ignored.

        sample_weight : array-like of shape (n_samples,), optional
            A row of weight w counts as w rows in the means, and in the density for its part of the rows that all are
            worth: see the guide. One of weight 0 only gets a label.

        Returns
        -------
        self : KMad
            The fitted estimator.
        """
        self._check_parameters()
        X = self._rows(X, reset=True, checked=False)  # the first pass over the rows sees whether they are finite
        if self.n_clusters is not None and self.n_clusters > len(X):
            raise ValueError(f"n_clusters must be at most the number of rows, {len(X)}; got {self.n_clusters}.")
        weights = frozen(check_weights("sample_weight", sample_weight, len(X)))
        with Threads(self.n_jobs) as threads:
            search = Search(self.n_clusters, self.significance, self.max_iter, self.tol, threads, self._tell)
            if np.all(weights > 0):
                partition, regions = find_clusters(X, weights, search)
            else:
                assert_all_finite(X, estimator_name="KMad", input_name="X")
                partition, regions = find_clusters(frozen(X[weights > 0]), frozen(weights[weights > 0]), search)
            labels, centers = partition.labels, partition.centers.astype(X.dtype, copy=False)
            total_inertia = partition.inertia
            if len(labels) < len(X) or centers.dtype != partition.centers.dtype:
                # Rows without weight have no label yet, and rounding may have moved a centre past a row.
                labels = np.empty(len(X), np.int32)
                assign(X, centers.astype(np.float64, copy=False), labels, threads)
                total_inertia = None
            if total_inertia is None:
                total_inertia = inertia(X, weights, labels, centers.astype(np.float64, copy=False), threads)
        self._warn(partition, search)
        self.cluster_centers_ = centers
        self.labels_ = labels
        self.inertia_ = total_inertia
        self.n_iter_ = partition.n_iter
        self.n_clusters_ = len(centers)
        self.regions_ = regions
        self._n_features_out = self.n_clusters_
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.int32]:
        """The cluster whose centre is nearest, for each row.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features)
            Finite numbers, in the columns of `fit`.

        Returns
        -------
        labels : ndarray of shape (n_samples,), int32
            Cluster of each row.
        """
        check_is_fitted(self)
        return self._nearest(self._rows(X, reset=False, checked=False))

    def fit_predict(self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None) -> NDArray[np.int32]:
        """Find the clusters and return `labels_`; the parameters are those of `fit`.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features)
            Finite numbers.

        y : None
            Ignored.

        sample_weight : array-like of shape (n_samples,), optional
            Weight of each row.

        Returns
        -------
        labels : ndarray of shape (n_samples,), int32
            Cluster of each row.
        """
        return self.fit(X, sample_weight=sample_weight).labels_

    def transform(self, X: ArrayLike) -> NDArray[Any]:
        """Distance of each row to each centre.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features)
            Finite numbers, in the columns of `fit`.

        Returns
        -------
        distances : ndarray of shape (n_samples, n_clusters)
            Euclidean distances, in the dtype of X.
        """
        check_is_fitted(self)
        X = self._rows(X, reset=False)
        distances: NDArray[Any] = cdist(X, self.cluster_centers_)
        return distances.astype(X.dtype, copy=False)

    def fit_transform(self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None) -> NDArray[Any]:
        """Find the clusters and return the distances to their centres; the parameters are those of `fit`.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features)
            Finite numbers.

        y : None
            Ignored.

        sample_weight : array-like of shape (n_samples,), optional
            Weight of each row.

        Returns
        -------
        distances : ndarray of shape (n_samples, n_clusters)
            Euclidean distances, in the dtype of X.
        """
        return self.fit(X, sample_weight=sample_weight).transform(X)

    def score(self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None) -> float:
        """Return minus the inertia of rows at the centres that `fit` found: the higher, the better they fit.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features)
            Finite numbers, in the columns of `fit`.

        y : None
            Ignored.

        sample_weight : array-like of shape (n_samples,), optional
            Weight of each row.

        Returns
        -------
        score : float
            At most zero.
        """
        check_is_fitted(self)
        X = self._rows(X, reset=False)
        weights = frozen(check_weights("sample_weight", sample_weight, len(X)))
        centers = self.cluster_centers_.astype(np.float64, copy=False)
        with Threads(self.n_jobs) as threads:
            return -inertia(X, weights, self._nearest(X), centers, threads)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _check_parameters(self) -> None:
        if self.n_clusters is not None:
            check_integer("n_clusters", self.n_clusters, least=1)
        check_real("significance", self.significance, above=0.0, below=1.0)
        check_integer("max_iter", self.max_iter, least=1)
        check_real("tol", self.tol, least=0.0, below=np.inf)
        check_integer("verbose", self.verbose, least=0)
        check_jobs(self.n_jobs)

    def _rows(self, X: ArrayLike, *, reset: bool, checked: bool = True) -> Rows:
        check_numeric_table("X", X)
        rows: Rows = validate_data(
            self, X, reset=reset, dtype=[np.float64, np.float32], order="C", ensure_all_finite=checked
        )
        return frozen(rows)

    def _nearest(self, X: Rows) -> NDArray[np.int32]:
        labels = np.empty(len(X), np.int32)
        with Threads(self.n_jobs) as threads:
            finite = assign(X, self.cluster_centers_.astype(np.float64, copy=False), labels, threads)
        if not finite:
            assert_all_finite(X, estimator_name="KMad", input_name="X")
        return labels

    def _tell(self, message: str, *values: object) -> None:
        if not self.verbose:
            return
        if log.hasHandlers():
            log.info(message, *values)
        else:
            sys.stderr.write(message % values + "\n")

    def _warn(self, partition: Partition, search: Search) -> None:
        if search.n_clusters is not None and len(partition.centers) < search.n_clusters:
            warnings.warn(
                f"n_clusters={search.n_clusters} clusters were asked for, but X has only {len(partition.centers)} "
                "distinct rows: there are as many clusters.",
                ConvergenceWarning,
                stacklevel=3,
            )
        if not partition.converged:
            warnings.warn(
                f"k-means had not settled after max_iter={search.max_iter} iterations.",
                ConvergenceWarning,
                stacklevel=3,
            )
