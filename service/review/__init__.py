"""The review: people label the queries on which systems differ, on a page of the service. Knows no model."""

from service.review.item import Bought, CategoryDemand, Evidence, Followed, Item, Proposal
from service.review.review import Review
from service.review.routes import review_routes

__all__ = ["Bought", "CategoryDemand", "Evidence", "Followed", "Item", "Proposal", "Review", "review_routes"]
