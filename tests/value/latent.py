"""Slow and obvious twins of the purchase models: every latent customer on his own, averaged with exact weights.

A model says what a customer of a known rate and a known dropout does. His likelihood and his future are then averaged
over a grid of rates and dropouts, the nodes of Gauss for their distributions.
"""

import numpy as np
from scipy.special import comb, gammaln, roots_genlaguerre, roots_jacobi
from scipy.stats import nbinom, poisson

NODES = 100


def gamma_grid(shape, rate):
    nodes, weights = roots_genlaguerre(NODES, shape - 1)
    return nodes / rate, weights / weights.sum()


def beta_grid(a, b):
    nodes, weights = roots_jacobi(NODES, b - 1, a - 1)
    return (1 + nodes) / 2, weights / weights.sum()


class Latent:
    """A grid of customers who differ in two things, `u` and `v`, and the weight of each."""

    def __init__(self, first, second):
        self.u, self.v = first[0][:, None], second[0][None, :]
        self.weight = first[1][:, None] * second[1][None, :]

    def mean(self, values):
        return float((self.weight * values).sum())

    def log_likelihood(self, *customer):
        return np.log(self.mean(self.alive(*customer)) + self.mean(self.gone(*customer)))

    def probability_alive(self, *customer):
        alive = self.mean(self.alive(*customer))
        return alive / (alive + self.mean(self.gone(*customer)))

    def ahead(self, values, *customer):
        """What is expected of a customer, when `values` is what a living one of each kind does."""
        alive, gone = self.alive(*customer), self.gone(*customer)
        return self.mean(alive * values) / (self.mean(alive) + self.mean(gone))

    def survival(self, horizon, *customer):
        return self.ahead(self.survives(horizon), *customer) / self.probability_alive(*customer)


class ParetoNBD(Latent):
    """`u` is the rate of purchase, `v` that of dropout."""

    def __init__(self, r, alpha, s, beta):
        super().__init__(gamma_grid(r, alpha), gamma_grid(s, beta))

    def alive(self, x, recency, T):
        return self.u**x * np.exp(-(self.u + self.v) * T)

    def gone(self, x, recency, T):
        total = self.u + self.v
        return self.u**x * self.v / total * (np.exp(-total * recency) - np.exp(-total * T))

    def purchases(self, horizon):
        return self.u / self.v * -np.expm1(-self.v * horizon)

    def survives(self, horizon):
        return np.exp(-self.v * horizon)

    def discounted(self, rate):
        return self.u / (self.v + rate)

    def counts(self, n, horizon):
        total = self.u + self.v
        stays = poisson.pmf(n, self.u * horizon) * np.exp(-self.v * horizon)
        # n purchases and then the dropout, before the horizon: the time of that is Erlang distributed.
        goes = self.v / total * (self.u / total) ** n * poisson.sf(n, total * horizon)
        return stays + goes


class BGNBD(Latent):
    """`u` is the rate of purchase, `v` the probability to drop out after a purchase."""

    early_chances = 0

    def __init__(self, r, alpha, a, b):
        super().__init__(gamma_grid(r, alpha), beta_grid(a, b))

    def alive(self, x, recency, T):
        return self.u**x * np.exp(-self.u * T) * (1 - self.v) ** (x + self.early_chances)

    def gone(self, x, recency, T):
        chances = x + self.early_chances
        if chances == 0:
            return np.zeros_like(self.weight)
        return self.u**x * np.exp(-self.u * recency) * self.v * (1 - self.v) ** (chances - 1)

    def purchases(self, horizon):
        return -np.expm1(-self.u * self.v * horizon) / self.v

    def survives(self, horizon):
        return np.exp(-self.u * self.v * horizon)

    def discounted(self, rate):
        return self.u / (self.u * self.v + rate)

    def counts(self, n, horizon):
        stays = (1 - self.v) ** n * poisson.pmf(n, self.u * horizon)
        return stays + (n > 0) * self.v * (1 - self.v) ** max(n - 1, 0) * poisson.sf(n - 1, self.u * horizon)


class MBGNBD(BGNBD):
    early_chances = 1


class BGBB(Latent):
    """`u` is the probability to buy in a period, `v` that to drop out before one."""

    def __init__(self, alpha, beta, gamma, delta):
        super().__init__(beta_grid(alpha, beta), beta_grid(gamma, delta))

    def lasted(self, x, periods):
        return self.u**x * (1 - self.u) ** (periods - x) * (1 - self.v) ** periods

    def alive(self, x, recency, T):
        return self.lasted(x, T)

    def gone(self, x, recency, T):
        return sum((self.lasted(x, end) * self.v for end in range(recency, T)), np.zeros_like(self.weight))

    def purchases(self, horizon):
        return self.u * sum(((1 - self.v) ** j for j in range(1, horizon + 1)), np.zeros_like(self.weight))

    def survives(self, horizon):
        return (1 - self.v) ** horizon * np.ones_like(self.u)

    def discounted(self, rate):
        return self.u * (1 - self.v) / (rate + self.v)

    def counts(self, n, horizon):
        ways = [(end, comb(end, n)) for end in range(n, horizon + 1)]
        parts = [w * self.lasted(n, end) * (self.v if end < horizon else 1.0) for end, w in ways]
        return sum(parts, np.zeros_like(self.weight))


class ShiftedBetaGeometric(Latent):
    """`u` is nothing, `v` the probability to decline a renewal; a customer is his T and whether he churned."""

    def __init__(self, alpha, beta):
        super().__init__((np.zeros(1), np.ones(1)), beta_grid(alpha, beta))

    def alive(self, T, churned):
        return (1 - churned) * (1 - self.v) ** T

    def gone(self, T, churned):
        return churned * self.v * (1 - self.v) ** max(T - 1, 0)

    def purchases(self, horizon):
        return sum(((1 - self.v) ** j for j in range(1, horizon + 1)), np.zeros_like(self.weight))

    def survives(self, horizon):
        return (1 - self.v) ** horizon

    def discounted(self, rate):
        return (1 - self.v) / (rate + self.v)

    def counts(self, n, horizon):
        if n > horizon:
            return np.zeros_like(self.weight)
        return (1 - self.v) ** n * (self.v if n < horizon else 1.0)


class GammaGamma:
    """A customer's mean of x purchases, each gamma distributed with shape p and a rate of his own."""

    def __init__(self, p, q, gamma):
        self.p = p
        # The mean spend of a rate is infinite at a rate of 0: a fine grid of logarithms does better than Gauss.
        self.rate = np.exp(np.linspace(-25, 8, 20_001)) * q / gamma
        log_weight = q * np.log(self.rate) - gamma * self.rate
        self.weight = np.exp(log_weight - log_weight.max())
        self.weight /= self.weight.sum()

    def likelihoods(self, x, amount):
        shape = self.p * x
        density = shape * np.log(self.rate * x) + (shape - 1) * np.log(amount) - self.rate * x * amount
        return np.exp(density - gammaln(shape))

    def log_likelihood(self, x, amount):
        return np.log(self.weight @ self.likelihoods(x, amount))

    def expected_spend(self, x, amount):
        likelihoods = self.likelihoods(x, amount) if x else np.ones_like(self.rate)
        return (self.weight * likelihoods) @ (self.p / self.rate) / (self.weight @ likelihoods)


def nbd_log_likelihood(x, T, weight, r, alpha):
    """Of customers who never drop out, purchase by purchase: a density of times, without the factor T^x / x!."""
    logs = nbinom.logpmf(x, r, alpha / (alpha + T)) + gammaln(x + 1)
    return float(weight @ (logs - x * np.log(T)))
