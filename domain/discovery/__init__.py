"""Discovery content: substitutes, complements and next queries that the shop can show and its shoppers bear out."""

from domain.discovery.content import Content, Idea, Ideas, Role, Suggestion, SuggestionKind

__all__ = ["Content", "Idea", "Ideas", "Role", "Suggestion", "SuggestionKind"]
