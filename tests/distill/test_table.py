"""The table's own sums, gradients and steps are those of PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from distill.table import FeatureTable  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

ROWS, DIMENSION, FILLER = 9, 4, 8
# Row 3 twice in one text, row 1 in two texts, one text without any feature.
FEATURES = np.array([[3, 1, 3, 8], [1, 5, 8, 8], [8, 8, 8, 8], [0, 8, 8, 8]], dtype=np.int32)
TOUCHED, UNTOUCHED = [0, 1, 3, 5], [2, 4, 6, 7, 8]
DIRECTION = torch.tensor([[1.0, -2.0, 0.5, 3.0], [0.1, 0.2, -0.3, 0.4], [1.0, 1.0, 1.0, 1.0], [-5.0, 0.7, 0.05, 2.0]])


def loss_of(sums: torch.Tensor) -> torch.Tensor:
    return (torch.tanh(sums) * DIRECTION).sum()


def test_a_bag_is_the_sum_of_its_rows_and_the_filler_adds_nothing() -> None:
    table = FeatureTable(ROWS, DIMENSION, seed=1)
    w = table.weight
    bag = table.bag(FEATURES)
    assert torch.equal(w[FILLER], torch.zeros(DIMENSION))
    expected = torch.stack([2 * w[3] + w[1], w[1] + w[5], torch.zeros(DIMENSION), w[0]])
    assert torch.allclose(bag.sums, expected, atol=1e-7)
    assert bag.rows.tolist() == TOUCHED
    assert bag.starts.tolist() == [0, 1, 3, 5]
    assert bag.texts.tolist() == [3, 0, 1, 0, 0, 1]


def test_a_seed_gives_the_same_table_whatever_was_drawn_before() -> None:
    first = FeatureTable(ROWS, DIMENSION, seed=7).weight
    torch.rand(3)
    assert torch.equal(first, FeatureTable(ROWS, DIMENSION, seed=7).weight)
    assert not torch.equal(first, FeatureTable(ROWS, DIMENSION, seed=8).weight)


def test_the_gradient_brought_to_the_rows_is_that_of_autograd() -> None:
    table = FeatureTable(ROWS, DIMENSION, seed=2)
    dense = table.weight.clone().requires_grad_()
    loss_of(dense[torch.from_numpy(FEATURES).long()].sum(1)).backward()
    bag = table.bag(FEATURES)
    loss_of(bag.sums).backward()
    table.step(bag, rate=0.0)
    # After one step from nothing the first moment is a tenth of the gradient.
    assert torch.allclose(table._first[TOUCHED] * 10, dense.grad[TOUCHED], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("kind", [torch.optim.SparseAdam, torch.optim.Adam])
def test_steps_are_those_of_adam(steps: int, kind: type[torch.optim.Optimizer]) -> None:
    table = FeatureTable(ROWS, DIMENSION, seed=3)
    start = table.weight.clone()
    other = torch.nn.EmbeddingBag(
        ROWS, DIMENSION, mode="sum", padding_idx=FILLER, sparse=kind is torch.optim.SparseAdam, _weight=start.clone()
    )
    optimiser = kind(other.parameters(), lr=0.01)
    for _ in range(steps):
        bag = table.bag(FEATURES)
        loss_of(bag.sums).backward()
        table.step(bag, 0.01)
        optimiser.zero_grad()
        loss_of(other(torch.from_numpy(FEATURES).long())).backward()
        optimiser.step()
    assert torch.allclose(table.weight, other.weight, atol=2e-6)
    assert (table.weight[TOUCHED] - start[TOUCHED]).abs().min() > 1e-3
    assert torch.equal(table.weight[UNTOUCHED], start[UNTOUCHED])
    assert torch.equal(table.weight[FILLER], torch.zeros(DIMENSION))


def test_rows_that_come_and_go_are_treated_as_sparse_adam_does() -> None:
    table = FeatureTable(ROWS, DIMENSION, seed=4)
    other = torch.nn.EmbeddingBag(
        ROWS, DIMENSION, mode="sum", padding_idx=FILLER, sparse=True, _weight=table.weight.clone()
    )
    optimiser = torch.optim.SparseAdam(other.parameters(), lr=0.01)
    for rows in ([[0], [1], [2], [3]], [[1], [2], [2], [6]], [[0], [7], [6], [0]]):
        features = np.array(rows, dtype=np.int32)
        bag = table.bag(features)
        loss_of(bag.sums).backward()
        table.step(bag, 0.01)
        optimiser.zero_grad()
        loss_of(other(torch.from_numpy(features).long())).backward()
        optimiser.step()
    assert torch.allclose(table.weight, other.weight, atol=2e-6)


@pytest.mark.parametrize("shape", [(2, 3), (0, 1)])
def test_a_batch_without_any_feature_changes_nothing(shape: tuple[int, int]) -> None:
    table = FeatureTable(ROWS, DIMENSION, seed=5)
    start = table.weight.clone()
    bag = table.bag(np.full(shape, FILLER, dtype=np.int32))
    bag.sums.sum().backward()
    table.step(bag, 0.01)
    assert bag.sums.shape == (shape[0], DIMENSION)
    assert torch.equal(table.weight, start)
