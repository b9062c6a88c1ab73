"""K-means whose number of clusters and first centres come from the density of the data."""

from kmad.cluster._kmad import KMad

__all__ = ["KMad"]
