"""The search: every frequent set with a given first item, written as a tree of nodes."""

import numpy as np

from kmad._jit import inner_kernel, kernel

FREQUENT, CLOSED, MAXIMAL = 0, 1, 2
# To numba a literal 0 or 1 is of a type of its own, for which it compiles anew all that it is handed to.
ZERO, ONE = np.int64(0), np.int64(1)
# Why `search` came back: it is done, wants larger arrays of a kind, or lets others have a word.
DONE, NODES, BITS, LISTS, PAUSED = 0, 1, 2, 3, 4
# Work between two pauses, very roughly in nanoseconds.
BUDGET = 20_000_000

# Entries of the state: the next first item and its next partner, where nodes, extensions and words end, and the sets
# of the first item and of what was written last: blocks of nodes, or in the search for closed ones lengths of the path.
FIRST, SECOND, LOCALS, DEPTH, WORDS, NODE, SETS, LIST, BIT = 0, 1, 2, 3, 4, 5, 6, 7, 8
BLOCK, BLOCK_END, WRITTEN, WRITTEN_END = 9, 10, 11, 12
N_STATE = 13
# Entries of a frame: a list of extensions, the next to take, the set that they extend, and where their words begin.
START, NEXT, END, PREFIX, PREFIX_END, FLOOR = 0, 1, 2, 3, 4, 5
N_FRAME = 6


@kernel
def search(
    database,  # IN
    pairs,  # (n_items * (n_items - 1) / 2,) or (0,) IN: weight of the rows with both items, those of the first together
    kind,
    max_len,
    stop,
    budget,
    nodes,  # INOUT
    work,  # INOUT
):
    """Go on until all sets whose first item comes before `stop` are written, or the search must come back."""
    # Tuples of arrays are slow to hand on: what runs often gets its arrays one by one.
    counts, least_of, weights = database.counts, database.least, database.weights
    rows, places, list_offsets = database.rows, database.places, database.list_offsets
    parent, item, count, length = nodes.parents, nodes.items, nodes.counts, nodes.lengths
    state, tally, found, partners, slots = work.state, work.tally, work.found, work.partners, work.slots
    partner_counts, perfect, path, path_nodes = work.partner_counts, work.perfect, work.path, work.path_nodes
    local_rows, local_weights, local_places = work.local_rows, work.local_weights, work.local_places
    frames, planes, shift, bits = work.frames, work.planes, work.shift, work.bits
    list_items, list_counts, local = work.list_items, work.list_counts, work.local
    n_items, whole = len(counts), kind != FREQUENT
    while True:
        status = DONE
        if state[DEPTH] > 0:
            if whole:
                status, budget = extend_closed(
                    kind, max_len, state[FIRST] - 1, least_of, budget, state, perfect, path, path_nodes, frames, shift,
                    bits, list_items, list_counts, parent, item, count, length,
                )  # fmt: skip
            else:
                status, budget = extend(
                    max_len, least_of[state[FIRST] - 1], budget, state, perfect, frames, shift, bits, list_items,
                    list_counts, parent, item, count, length,
                )  # fmt: skip
        if status == DONE and budget >= 0 and state[SECOND] < state[LOCALS]:
            status, budget = pair_up(
                kind, max_len, least_of, budget, state, tally, found, partners, partner_counts, slots, local_rows,
                local_weights, local_places, work.local_offsets, perfect, path, path_nodes, frames, planes, shift,
                bits, list_items, list_counts, parent, item, count, length,
            )  # fmt: skip
            if status == DONE:
                continue
        if status != DONE:
            return status
        if budget < 0:
            return PAUSED
        i = state[FIRST]
        if i == stop:
            return DONE
        total, least = counts[i], least_of[i]
        if total < least:
            state[FIRST] += 1
            continue

        lowest = 0 if whole else i + 1
        # With several thresholds, an earlier item may lower that of the set that it joins.
        low = least_of[0] if kind == MAXIMAL else least
        list_start, list_end = list_offsets[i], list_offsets[i + 1]
        n_found, walked = ZERO, ZERO
        if max_len == 1 and not whole:
            list_end = list_start
        elif len(pairs):
            n_found = read_pairs(pairs, i, n_items, lowest, low, tally, found)
        else:
            n_found, walked = tally_rows(whole, low, list_start, list_end, places, rows, weights, tally, found)
            n_found = sort_found(n_found, lowest, n_items, low, tally, found)
        n, n_perfect, excluded, closed = ZERO, ZERO, ZERO, True
        for t in range(n_found):
            other = found[t]
            together = tally[other]
            if other < i:
                closed = closed and together < total
                if together < (least_of[other] if kind == MAXIMAL else least):
                    continue
                excluded += 1
            elif other == i or together < least:
                continue
            elif together == total:
                perfect[n_perfect] = other
                n_perfect += 1
                continue
            partners[n] = other
            partner_counts[n] = together
            n += 1
        if len(pairs):
            for t in range(n_found):
                tally[found[t]] = 0
        else:
            clear_tally(whole, walked, lowest, n_items, list_start, list_end, places, rows, tally)
        budget -= 4 * walked + n_items // 8

        longer = 1 + n_perfect if whole else 1
        deeper = closed and n > excluded and longer < max_len
        flat, words = False, ZERO
        if deeper:
            n_rows, held = copy_rows(
                whole, list_start, list_end, places, rows, weights, n, partners, local, local_rows, local_weights,
                local_places,
            )  # fmt: skip
            budget -= 8 * (list_end - list_start) + 4 * held
            words = plan_words(ZERO, n_rows, local_places, local_rows, local_weights, planes, shift)
            # Intersections of words cost some nanoseconds a pair, counting in the rows one for each pair in them.
            flat = held * held // max(n_rows, 1) < (n - excluded) * (n + excluded) // 2 * (words // 4 + 6)
            if n > len(list_items):
                return LISTS
            if not flat and (n + 1) * words > len(bits):
                return BITS
        if closed and not write(
            kind, max_len, ZERO, ONE, i, total, perfect, n_perfect, n == 0, path, path_nodes, state, parent, item,
            count, length,
        ):  # fmt: skip
            return NODES
        state[FIRST] += 1
        if flat:
            list_places(n, held, local_rows, local_places, work.local_offsets)
            state[SECOND], state[LOCALS] = excluded, n
            state[BLOCK], state[BLOCK_END] = state[WRITTEN], state[WRITTEN_END]
        elif deeper:
            for x in range(n):
                slots[x] = x + 1
                list_items[x] = partners[x]
                list_counts[x] = partner_counts[x]
            fill_words(whole, ZERO, n_rows, n, words, local_places, local_rows, local_weights, slots, planes, bits)
            for x in range(n):
                slots[x] = 0
            push(n, excluded, words, state, frames)


@inner_kernel
def pair_up(
    kind,
    max_len,
    least_of,  # (n_items,) IN
    budget,
    state,  # INOUT, and so are all arrays of the work
    tally,
    found,
    partners,
    partner_counts,
    slots,
    local_rows,
    local_weights,
    local_places,
    local_offsets,
    perfect,
    path,
    path_nodes,
    frames,
    planes,
    shift,
    bits,
    list_items,
    list_counts,
    parent,  # INOUT, and so are the other arrays of the nodes
    item,
    count,
    length,
):
    """Write the sets of the first item and each of its partners, up to one that leads on: its frame is put up."""
    i, n_partners, whole = state[FIRST] - 1, state[LOCALS], kind != FREQUENT
    least = least_of[i]
    low = least_of[0] if kind == MAXIMAL else least
    while state[SECOND] < n_partners and state[DEPTH] == 0:
        if budget < 0:
            return PAUSED, budget
        j = state[SECOND]
        total, lowest = partner_counts[j], 0 if whole else j + 1
        list_start, list_end = local_offsets[j], local_offsets[j + 1]
        prefix, prefix_end = state[BLOCK], state[BLOCK_END]
        shortest = prefix if whole else length[prefix]
        if shortest + 1 == max_len and not whole:
            list_end = list_start
        n_found, walked = tally_rows(
            whole, low, list_start, list_end, local_places, local_rows, local_weights, tally, found
        )
        n_found = sort_found(n_found, lowest, n_partners, low, tally, found)
        n, n_perfect, excluded, closed = ZERO, ZERO, ZERO, True
        for t in range(n_found):
            x = found[t]
            together = tally[x]
            if x < j:
                closed = closed and together < total
                if together < (least_of[min(i, partners[x])] if kind == MAXIMAL else least):
                    continue
                excluded += 1
            elif x == j or together < least:
                continue
            elif together == total:
                perfect[n_perfect] = partners[x]
                n_perfect += 1
                continue
            found[n] = x
            list_items[n] = partners[x]
            list_counts[n] = together
            n += 1
        clear_tally(whole, walked, lowest, n_partners, list_start, list_end, local_places, local_rows, tally)
        budget -= 8 + 4 * walked

        longer = shortest + 1 + n_perfect if whole else shortest + 1
        deeper = closed and n > excluded and longer < max_len
        words = ZERO
        # A single extension is written without a look at its rows.
        if deeper and n > 1:
            words = plan_words(list_start, list_end, local_places, local_rows, local_weights, planes, shift)
            if (n + 1) * words > len(bits):
                return BITS, budget
        if closed and not write(
            kind, max_len, prefix, prefix_end, np.int64(partners[j]), total, perfect, n_perfect, n == 0, path,
            path_nodes, state, parent, item, count, length,
        ):  # fmt: skip
            return NODES, budget
        state[SECOND] += 1
        if deeper:
            if n > 1:
                for t in range(n):
                    slots[found[t]] = t + 1
                fill_words(
                    whole, list_start, list_end, n, words, local_places, local_rows, local_weights, slots, planes, bits
                )
                for t in range(n):
                    slots[found[t]] = 0
            push(n, excluded, words, state, frames)
    return DONE, budget


@inner_kernel
def extend(
    max_len,
    least,
    budget,
    state,  # INOUT
    perfect,  # (n_items,) INOUT
    frames,  # (depth, 6) INOUT
    shift,  # (most words,) IN
    bits,  # (capacity,) INOUT
    list_items,  # (capacity,) INOUT
    list_counts,  # (capacity,) INOUT
    parent,  # (n_nodes,) INOUT
    item,  # (n_nodes,) INOUT
    count,  # (n_nodes,) INOUT
    length,  # (n_nodes,) INOUT
):
    """Write all sets that the frames lead to."""
    depth, n, top, free, words = state[DEPTH], state[NODE], state[LIST], state[BIT], state[WORDS]
    before, status = n, DONE
    while depth > 0:
        f = depth - 1
        x, end = frames[f, NEXT], frames[f, END]
        if x == end:
            depth = f
            top, free = frames[f, START], frames[f, FLOOR]
            continue
        rest = end - x - 1
        if top + rest > len(list_items):
            status = LISTS
            break
        if free + rest * words > len(bits):
            status = BITS
            break
        if budget < 0:
            status = PAUSED
            break
        total, at = list_counts[x], frames[f, FLOOR] + (x - frames[f, START]) * words
        begin, stop = frames[f, PREFIX], frames[f, PREFIX_END]
        child, child_bits, n_perfect = top, free, ZERO
        if length[begin] + 1 < max_len:
            budget -= 4 + rest * (words // 4 + 4)
            for y in range(x + 1, end):
                both = intersect(bits, at, at + (y - x) * words, child_bits, words, shift)
                if both < least:
                    continue
                if both == total:
                    perfect[n_perfect] = list_items[y]
                    n_perfect += 1
                    continue
                list_items[child] = list_items[y]
                list_counts[child] = both
                child += 1
                child_bits += words
        after = write_block(
            max_len, begin, stop, np.int64(list_items[x]), total, perfect, n_perfect, n, parent, item, count, length
        )
        if after < 0:
            status = NODES
            break
        frames[f, NEXT] = x + 1
        if child > top:
            frames[depth, START], frames[depth, NEXT], frames[depth, END] = top, top, child
            frames[depth, PREFIX], frames[depth, PREFIX_END], frames[depth, FLOOR] = n, after, free
            depth += 1
            top, free = child, child_bits
        n = after
    state[DEPTH], state[NODE], state[LIST], state[BIT] = depth, n, top, free
    state[SETS] += n - before
    return status, budget


@inner_kernel
def extend_closed(
    kind,
    max_len,
    i,
    least_of,  # (n_items,) IN
    budget,
    state,  # INOUT
    perfect,  # (n_items,) INOUT
    path,  # (n_items,) INOUT
    path_nodes,  # (n_items,) INOUT
    frames,  # (depth, 6) INOUT
    shift,  # (most words,) IN
    bits,  # (capacity,) INOUT
    list_items,  # (capacity,) INOUT
    list_counts,  # (capacity,) INOUT
    parent,  # (n_nodes,) INOUT
    item,  # (n_nodes,) INOUT
    count,  # (n_nodes,) INOUT
    length,  # (n_nodes,) INOUT
):
    """Write the closed or maximal ones of the sets that the frames lead to."""
    words, least = state[WORDS], least_of[i]
    while state[DEPTH] > 0:
        depth, top, free = state[DEPTH], state[LIST], state[BIT]
        f = depth - 1
        x, end = frames[f, NEXT], frames[f, END]
        if x == end:
            state[DEPTH], state[LIST], state[BIT] = f, frames[f, START], frames[f, FLOOR]
            continue
        if top + end - x > len(list_items):
            return LISTS, budget
        if free + (end - x) * words > len(bits):
            return BITS, budget
        if budget < 0:
            return PAUSED, budget
        total, at = list_counts[x], frames[f, FLOOR] + (x - frames[f, START]) * words
        budget -= 16 + (end - x) * (words // 4 + 4)
        if is_within_excluded(f, at, words, frames, bits):
            frames[f, NEXT] = x + 1
            continue
        child, child_bits, n_perfect = top, free, ZERO
        for y in range(x + 1, end):
            both = intersect(bits, at, at + (y - x) * words, child_bits, words, shift)
            if both < least:
                continue
            if both == total:
                perfect[n_perfect] = list_items[y]
                n_perfect += 1
                continue
            list_items[child] = list_items[y]
            list_counts[child] = both
            child += 1
            child_bits += words
        leaf = child == top and not (
            kind == MAXIMAL and joins_excluded(f, at, words, i, least_of, frames, list_items, shift, free, bits)
        )
        if not write(
            kind, max_len, frames[f, PREFIX], ZERO, np.int64(list_items[x]), total, perfect, n_perfect, leaf, path,
            path_nodes, state, parent, item, count, length,
        ):  # fmt: skip
            return NODES, budget
        frames[f, NEXT] = x + 1
        if child > top and state[WRITTEN] < max_len:
            frames[depth, START], frames[depth, NEXT], frames[depth, END] = top, top, child
            frames[depth, PREFIX], frames[depth, PREFIX_END], frames[depth, FLOOR] = state[WRITTEN], 0, free
            state[DEPTH], state[LIST], state[BIT] = depth + 1, child, child_bits
    return DONE, budget


@inner_kernel
def push(
    n,
    excluded,
    words,
    state,  # INOUT
    frames,  # (depth, 6) INOUT
):
    """Begin with the first `n` extensions, the excluded ones as if they had been taken."""
    frames[0, START], frames[0, NEXT], frames[0, END] = 0, excluded, n
    frames[0, PREFIX], frames[0, PREFIX_END], frames[0, FLOOR] = state[WRITTEN], state[WRITTEN_END], words
    state[DEPTH], state[LIST], state[BIT], state[WORDS] = 1, n, (n + 1) * words, words


@inner_kernel
def write(
    kind,
    max_len,
    prefix,
    prefix_end,
    added,
    total,
    perfect,  # (n_items,) IN
    n_perfect,
    leaf,
    path,  # (n_items,) INOUT
    path_nodes,  # (n_items,) INOUT
    state,  # INOUT
    parent,  # (n_nodes,) INOUT
    item,  # (n_nodes,) INOUT
    count,  # (n_nodes,) INOUT
    length,  # (n_nodes,) INOUT
):
    """Write the prefix with an item and its perfect ones: all sets between, or the largest where it is asked for.

    The block of the new set, or the length of its path, goes to the state. False, with nothing written, where the
    nodes do not suffice.
    """
    n = state[NODE]
    if kind == FREQUENT:
        after = write_block(
            max_len, prefix, prefix_end, added, total, perfect, n_perfect, n, parent, item, count, length
        )
        if after < 0:
            return False
        state[WRITTEN], state[WRITTEN_END], state[NODE] = n, after, after
        state[SETS] += after - n
        return True
    longer = prefix + 1 + n_perfect
    for t in range(prefix, longer):
        path[t] = added if t == prefix else perfect[t - prefix - 1]
        path_nodes[t] = -1
    if longer <= max_len and (kind == CLOSED or leaf):
        t = prefix
        while t > 0 and path_nodes[t - 1] < 0:
            t -= 1
        if n + longer - t > len(parent):
            return False
        above = path_nodes[t - 1] if t > 0 else 0
        while t < longer:
            parent[n], item[n], count[n], length[n] = above, path[t], 0, t + 1
            path_nodes[t] = above = n
            n += 1
            t += 1
        count[n - 1] = total
        state[NODE] = n
        state[SETS] += 1
    state[WRITTEN] = longer
    return True


@inner_kernel
def write_block(
    max_len,
    begin,
    stop,
    added,
    total,
    perfect,  # (n_items,) IN
    n_perfect,
    n,
    parent,  # (n_nodes,) INOUT
    item,  # (n_nodes,) INOUT
    count,  # (n_nodes,) INOUT
    length,  # (n_nodes,) INOUT
):
    """Write a block of sets with one item more, doubled by each perfect item; return the next node, -1 for want of."""
    start = n
    for q in range(-1, n_perfect):
        if q >= 0:
            begin, stop, added = start, n, np.int64(perfect[q])
        if n + stop - begin > len(parent):
            return -1
        for t in range(begin, stop):
            if length[t] < max_len:
                parent[n], item[n], count[n], length[n] = t, added, total, length[t] + 1
                n += 1
    return n


@inner_kernel
def read_pairs(
    pairs,  # (n_items * (n_items - 1) / 2,) IN
    i,
    n_items,
    lowest,
    low,
    tally,  # (n_items,) INOUT: only where found
    found,  # (n_items + 1,) OUT
):
    """List the items from `lowest` on whose weight beside `i` is at least `low`, and put that in the tally."""
    n = 0
    for other in range(lowest, i):
        together = np.int64(pairs[((other * (2 * n_items - other - 3)) >> 1) - 1 + i])
        if together >= low:
            found[n], tally[other] = other, together
            n += 1
    begin = ((i * (2 * n_items - i - 3)) >> 1) - 1
    for other in range(i + 1, n_items):
        together = np.int64(pairs[begin + other])
        if together >= low:
            found[n], tally[other] = other, together
            n += 1
    return n


@inner_kernel
def tally_rows(
    whole,
    low,
    start,
    stop,
    places,  # (held,) IN
    rows,  # (1 + held + n_rows,) IN
    weights,  # (n_rows,) or (0,) IN
    tally,  # (n_items,) INOUT
    found,  # (n_items + 1,) OUT
):
    """Add up the items that follow the places, or all of their rows; list what reaches `low`, in any order.

    Returns how many do, and the number of additions.
    """
    n, walked = ZERO, ZERO
    for t in range(start, stop):
        u = np.int64(places[t]) + 1
        while whole and rows[u - 1] >= 0:
            u -= 1
        weight = weight_of_row(rows, u, weights)
        begin = u
        x = rows[u]
        while x >= 0:
            before = tally[x]
            tally[x] = before + weight
            # Written in any case: a branch would often be guessed wrong.
            found[n] = x
            n += (before < low) & (before + weight >= low)
            u += 1
            x = rows[u]
        walked += u - begin
    return n, walked


@inner_kernel
def sort_found(
    n,
    lowest,
    highest,
    low,
    tally,  # (n_items,) IN
    found,  # (n_items + 1,) INOUT
):
    """Sort what was found, where there is much of it by a look at all tallies; return the number."""
    if n * n > 4 * (highest - lowest):
        n = 0
        for x in range(lowest, highest):
            found[n] = x
            n += tally[x] >= low
        return n
    for t in range(1, n):
        x, u = found[t], t
        while u > 0 and found[u - 1] > x:
            found[u] = found[u - 1]
            u -= 1
        found[u] = x
    return n


@inner_kernel
def clear_tally(
    whole,
    walked,
    lowest,
    highest,
    start,
    stop,
    places,  # (held,) IN
    rows,  # (1 + held + n_rows,) IN
    tally,  # (n_items,) INOUT
):
    """Set the tally to zero again, the shorter way."""
    if 4 * walked > highest - lowest:
        tally[lowest:highest] = 0
        return
    for t in range(start, stop):
        u = places[t] + 1
        while whole and rows[u - 1] >= 0:
            u -= 1
        while rows[u] >= 0:
            tally[rows[u]] = 0
            u += 1


@inner_kernel
def weight_of_row(
    rows,  # (1 + held + n_rows,) IN
    u,
    weights,  # (n_rows,) or (0,) IN
):
    """Look up the weight of the row that `u` lies in."""
    if len(weights) == 0:
        return 1
    while rows[u] >= 0:
        u += 1
    return weights[-1 - rows[u]]


@inner_kernel
def copy_rows(
    whole,
    start,
    stop,
    places,  # (held,) IN
    rows,  # (1 + held + n_rows,) IN
    weights,  # (n_rows,) or (0,) IN
    n,
    partners,  # (n_items,) IN
    local,  # (n_items,) INOUT
    local_rows,  # (largest branch,) OUT
    local_weights,  # (longest list,) OUT
    local_places,  # (largest branch,) OUT: the ends before the rows
):
    """Copy what follows the places, or their whole rows, cut to the partners; return how many rows and entries."""
    for x in range(n):
        local[partners[x]] = x
    # A row of one partner tells of no pair. But whether a set is closed, it does tell.
    fewest = 1 if whole else 2
    local_rows[0] = -1
    n_rows, held = ZERO, ONE
    for t in range(start, stop):
        begin, u = held, places[t] + 1
        while whole and rows[u - 1] >= 0:
            u -= 1
        while rows[u] >= 0:
            x = local[rows[u]]
            local_rows[held] = x
            held += x >= 0
            u += 1
        if held - begin < fewest:
            held = begin
            continue
        if len(weights):
            local_weights[n_rows] = weights[-1 - rows[u]]
        local_places[n_rows] = begin - 1
        n_rows += 1
        local_rows[held] = -n_rows
        held += 1
    for x in range(n):
        local[partners[x]] = -1
    return n_rows, held


@inner_kernel
def list_places(
    n,
    held,
    local_rows,  # (largest branch,) IN
    local_places,  # (largest branch,) OUT
    offsets,  # (n_items + 1,) OUT
):
    """List where every partner stands in the local rows."""
    offsets[: n + 1] = 0
    for t in range(held):
        x = local_rows[t]
        if x >= 0:
            offsets[x + 1] += 1
    for x in range(n):
        offsets[x + 1] += offsets[x]
    for t in range(held):
        x = local_rows[t]
        if x >= 0:
            local_places[offsets[x]] = t
            offsets[x] += 1
    for x in range(n, 0, -1):
        offsets[x] = offsets[x - 1]
    offsets[0] = 0


@inner_kernel
def plan_words(
    start,
    stop,
    local_places,  # (largest branch,) IN
    local_rows,  # (largest branch,) IN
    local_weights,  # (longest list,) or (0,) IN
    planes,  # (64,) OUT
    shift,  # (most words,) INOUT: zeros where there are no weights
):
    """Give each of the listed rows a place in words, one for each bit of its weight; return the number of words."""
    if len(local_weights) == 0:
        planes[0] = 0
        return (stop - start + 63) >> 6
    planes[:] = 0
    highest = 0
    for t in range(start, stop):
        weight = weight_of_row(local_rows, local_places[t] + 1, local_weights)
        b = 0
        while weight:
            planes[b] += weight & 1
            weight >>= 1
            b += 1
        highest = max(highest, b)
    words = 0
    for b in range(highest):
        more = (planes[b] + 63) >> 6
        planes[b] = words << 6
        shift[words : words + more] = b
        words += more
    return words


@inner_kernel
def fill_words(
    whole,
    start,
    stop,
    n,
    words,
    local_places,  # (largest branch,) IN
    local_rows,  # (largest branch,) IN
    local_weights,  # (longest list,) or (0,) IN
    slots,  # (n_items,) IN
    planes,  # (64,) INOUT
    bits,  # (capacity,) OUT
):
    """Set the bits of the listed rows in the words of the extensions; the first words take those of other items."""
    bits[words : (n + 1) * words] = 0
    for t in range(start, stop):
        begin = local_places[t] + 1
        while whole and local_rows[begin - 1] >= 0:
            begin -= 1
        weight = weight_of_row(local_rows, begin, local_weights)
        b = 0
        while weight:
            if weight & 1:
                place, u = planes[b], begin
                planes[b] += 1
                word, bit = place >> 6, np.uint64(1) << np.uint64(place & 63)
                while local_rows[u] >= 0:
                    bits[slots[local_rows[u]] * words + word] |= bit
                    u += 1
            weight >>= 1
            b += 1


@inner_kernel
def is_within_excluded(
    f,
    at,
    words,
    frames,  # (depth, 6) IN
    bits,  # (capacity,) IN
):
    """Tell whether an excluded item stands in all rows whose words begin `at`."""
    for g in range(f + 1):
        # Below the last frame, the one before the next is on the path.
        stop = frames[g, NEXT] - (g < f)
        for e in range(frames[g, START], stop):
            other = frames[g, FLOOR] + (e - frames[g, START]) * words
            w = 0
            while w < words and not (bits[at + w] & ~bits[other + w]):
                w += 1
            if w == words:
                return True
    return False


@inner_kernel
def joins_excluded(
    f,
    at,
    words,
    i,
    least_of,  # (n_items,) IN
    frames,  # (depth, 6) IN
    list_items,  # (capacity,) IN
    shift,  # (most words,) IN
    free,
    bits,  # (capacity,) INOUT: from `free` on
):
    """Tell whether the set whose words begin `at` stays frequent with an excluded item."""
    for g in range(f + 1):
        stop = frames[g, NEXT] - (g < f)
        for e in range(frames[g, START], stop):
            other = frames[g, FLOOR] + (e - frames[g, START]) * words
            if intersect(bits, at, other, free, words, shift) >= least_of[min(i, list_items[e])]:
                return True
    return False


@inner_kernel
def intersect(
    bits,  # (capacity,) INOUT
    first,
    second,
    to,
    words,
    shift,  # (most words,) IN
):
    """Write the words common to two sets of rows, and return the weight of those rows."""
    a, b, both = bits[first : first + words], bits[second : second + words], bits[to : to + words]
    total = np.int64(0)
    for w in range(words):
        word = a[w] & b[w]
        both[w] = word
        # The compiler knows this for a count of bits.
        word -= (word >> np.uint64(1)) & np.uint64(0x5555555555555555)
        word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
        word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
        total += np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56)) << np.int64(shift[w])
    return total
