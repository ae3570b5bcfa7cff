"""Categories have vectors without examples, and a wrong leaf under the right parent costs less than a wrong parent."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")


from distill.network import Network, Views  # noqa: E402
from domain.taxonomy import Node, Taxonomy  # noqa: E402
from release.student import Tree  # noqa: E402

functional = torch.nn.functional
pytestmark = pytest.mark.usefixtures("one_thread")

ROWS = [("a", None), ("b", "a"), ("c", "b"), ("d", "b"), ("e", "a"), ("x", None), ("y", "x")]
TREE = Tree.of(Taxonomy(Node(category_id=child, parent_id=parent, name=child) for child, parent in ROWS))
NONE = len(ROWS)


def network(dimension: int = 5, seed: int = 0) -> Network:
    generator = torch.Generator().manual_seed(seed)
    views = [functional.normalize(torch.randn(len(ROWS), dimension, generator=generator), dim=1) for _ in range(3)]
    views[2][3] = 0  # a category without products
    return Network(Views(names=views[0], paths=views[1], titles=views[2]), TREE)


def below(row: int) -> list[int]:
    return [other for other in range(len(ROWS)) if row in TREE.path(other)]


def slow_loss(logits: torch.Tensor, targets: list[dict[int, float]], parents: float) -> float:
    total = 0.0
    for line, target in zip(logits.tolist(), targets, strict=True):
        highest = max(line)
        weights = [math.exp(value - highest) for value in line]
        chance = [weight / sum(weights) for weight in weights]
        for row, share in target.items():
            total -= share * math.log(chance[row])
            above = [] if row == NONE else TREE.path(row)[1:]
            for ancestor in above:
                total -= parents * share / len(above) * math.log(sum(chance[i] for i in below(ancestor)))
    return total / len(targets)


TARGETS = [
    {TREE.ids.index("c"): 0.7, TREE.ids.index("e"): 0.3},
    {NONE: 1.0},
    {TREE.ids.index("a"): 1.0},
    {TREE.ids.index("y"): 0.5, NONE: 0.5},
    {TREE.ids.index("d"): 1.0},
]


@pytest.mark.parametrize("parents", [0.0, 0.3, 2.0])
@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_the_loss_is_that_of_plain_loops(parents: float, scale: float) -> None:
    logits = scale * torch.randn(len(TARGETS), NONE + 1, generator=torch.Generator().manual_seed(1))
    found = network().hierarchical_loss(logits, TARGETS, parents=parents)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(slow_loss(logits, TARGETS, parents), rel=1e-5)


def test_unlikely_ancestors_are_told_exactly_with_their_gradient() -> None:
    # All is on y, which stands last: what a, b and c have is 1e-7 and less, next to sums of 1.
    logits = torch.full((1, NONE + 1), -18.0)
    logits[0, TREE.ids.index("a")] = 0.0
    logits[0, NONE] = -25.0
    y = TREE.ids.index("y")
    targets = [{y: 1.0}]
    logits.requires_grad_()
    found = network().hierarchical_loss(logits, targets, parents=1.0)
    found.backward()
    assert found.item() == pytest.approx(slow_loss(logits.detach(), targets, 1.0), rel=1e-5)
    # Of y and x, equally likely, y alone is asked for and x counts for the ancestor: -1 - 0.5 and -0.5.
    assert logits.grad[0, y].item() == pytest.approx(-1.5, abs=1e-3)
    assert logits.grad[0, TREE.ids.index("x")].item() == pytest.approx(-0.5, abs=1e-3)


def test_a_sibling_costs_less_than_a_stranger() -> None:
    def cost(likeliest: str, parents: float) -> float:
        logits = torch.zeros(1, NONE + 1)
        logits[0, TREE.ids.index(likeliest)] = 6.0
        return network().hierarchical_loss(logits, [{TREE.ids.index("c"): 1.0}], parents=parents).item()

    assert cost("d", 0.5) < cost("e", 0.5) < cost("y", 0.5)
    assert cost("d", 0.0) == pytest.approx(cost("y", 0.0))


def test_a_category_without_example_or_product_has_a_vector_of_its_name_and_place() -> None:
    made = network()
    vectors = made.categories()
    assert vectors.shape == (len(ROWS), 5)
    assert torch.allclose(vectors.norm(dim=1), torch.ones(len(ROWS)), atol=1e-6)
    assert torch.allclose(vectors[3], functional.normalize(made.names[3] + made.paths[3], dim=0), atol=1e-6)


def test_logits_are_scaled_cosines_and_none_has_its_own() -> None:
    made = network()
    logits = made.logits(made.categories()[2:3].detach())
    assert logits.shape == (1, NONE + 1)
    assert logits[0, 2].item() == pytest.approx(20.0, abs=1e-4)
    assert logits[0, NONE].item() == pytest.approx(5.0)
    assert made.logits(torch.zeros(1, 5)).tolist() == [[0.0] * NONE + [5.0]]


def test_two_networks_of_the_same_views_are_the_same() -> None:
    first = network().state_dict()
    torch.rand(7)
    second = network().state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
