"""What a search works on: the sets that it has found, as a tree, and what it keeps between its calls."""

from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from kmad.rules._baskets import Integers, Items
from kmad.rules._branches import N_FRAME, N_STATE
from kmad.rules._database import Database

S = TypeVar("S", bound=np.generic)

FEWEST_NODES, FEWEST_LISTS, FEWEST_WORDS = 1 << 12, 1 << 10, 1 << 14


class Nodes(NamedTuple):
    """Sets as a tree: each is its parent's and one item more. Node 0 is the empty set."""

    parents: Items  # (capacity,)
    items: Items  # (capacity,)
    counts: Integers  # (capacity,) 0 where the set is only on the way to another
    lengths: Items  # (capacity,)


class Work(NamedTuple):
    """What a search keeps between its calls."""

    state: Integers
    tally: Integers  # (n_items,) zeros between uses
    found: Items  # (n_items + 1,) items, or partners' numbers, that a tally shows to be frequent
    local: Items  # (n_items,) number of an item beside the first, -1 between uses
    partners: Items  # (n_items,) the item of each such number; excluded ones, earlier than the first, stand first
    partner_counts: Integers  # (n_items,) weight of the rows with the first item and that one
    slots: Items  # (n_items,) one more than the place of a partner in the list of extensions, 0 for others
    local_rows: Items  # (largest branch,) rows of the first item, of partners' numbers; laid out as in the database
    local_weights: Integers  # (longest list,) or (0,)
    local_places: Items  # (largest branch,)
    local_offsets: Integers  # (n_items + 1,)
    perfect: Items  # (n_items,) items in every row of the set at hand
    path: Items  # (n_items,) items of the set at hand where it must be closed
    path_nodes: Items  # (n_items,) their nodes, -1 where the path has none yet
    frames: Integers  # (longest row + 1, 6)
    planes: Integers  # (64,) the next place in the words, for each bit of the rows' weights
    shift: NDArray[np.uint8]  # (most words,) bit of the weights that a word stands for
    bits: NDArray[np.uint64]  # (capacity,) rows of the extensions, each a number of words
    list_items: Items  # (capacity,) items that extend a set on the path
    list_counts: Integers  # (capacity,) weight of the rows with the set and that item


def new_work(database: Database, longest_row: int) -> Work:
    """Room for a search; the longest row counts its end."""
    n_items, held = len(database.counts), len(database.rows)
    longest_list = int(np.diff(database.list_offsets).max(initial=0))
    n_planes = int(database.weights.max(initial=1)).bit_length()
    return Work(
        state=np.zeros(N_STATE, np.int64),
        tally=np.zeros(n_items, np.int64),
        # The kernels write a number before they know whether to keep it.
        found=np.empty(n_items + 1, np.int32),
        local=np.full(n_items, -1, np.int32),
        partners=np.empty(n_items, np.int32),
        partner_counts=np.empty(n_items, np.int64),
        slots=np.zeros(n_items, np.int32),
        local_rows=np.empty(held + 2, np.int32),
        local_weights=np.empty(longest_list if len(database.weights) else 0, np.int64),
        local_places=np.empty(held, np.int32),
        local_offsets=np.empty(n_items + 1, np.int64),
        perfect=np.empty(n_items, np.int32),
        path=np.empty(n_items, np.int32),
        path_nodes=np.empty(n_items, np.int32),
        frames=np.empty((longest_row + 1, N_FRAME), np.int64),
        planes=np.empty(64, np.int64),
        shift=np.zeros(longest_list * n_planes // 64 + n_planes, np.uint8),
        bits=np.empty(FEWEST_WORDS, np.uint64),
        list_items=np.empty(FEWEST_LISTS, np.int32),
        list_counts=np.empty(FEWEST_LISTS, np.int64),
    )


def new_nodes() -> Nodes:
    """A tree of the empty set."""
    return Nodes(
        parents=np.zeros(FEWEST_NODES, np.int32),
        items=np.zeros(FEWEST_NODES, np.int32),
        counts=np.zeros(FEWEST_NODES, np.int64),
        lengths=np.zeros(FEWEST_NODES, np.int32),
    )


def doubled(array: NDArray[S]) -> NDArray[S]:
    """A copy with as much room again at its end."""
    larger = np.empty(2 * len(array), array.dtype)
    larger[: len(array)] = array
    return larger
