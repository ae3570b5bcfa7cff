// The service's closed sets, in words.

export const TYPES = {
  product_type: "product type", brand: "brand", attribute: "attribute", dietary: "dietary", size: "size",
  color: "colour", material: "material", audience: "audience", occasion: "occasion", price: "price",
};
export const SOURCES = { head: "Precomputed", tail: "Student", fallback: "No answer" };
export const REASONS = {
  precomputed: "a model answered it offline", model: "the student was sure of the category",
  backed_off_to_parent: "the student was sure of a category above only", abstained_low_confidence: "the chances were too low to answer",
  empty_query: "nothing is left of the query", degraded: "a part of the service is missing or busy",
};
export const NO_CATEGORY = {
  abstained_low_confidence: "No category: the service would rather abstain than guess.",
  empty_query: "No category: nothing is left of the query after normalisation.",
  degraded: "No category: part of the service is missing or busy; ask again.",
};
export const REWRITES = { spelling: "Spelling", synonym: "Same thing", broader: "Broader", substitute: "Would do instead" };
export const SPECIFICITY = {
  broad: "broad: many kinds of products would do", category: "category: one kind of product",
  specific: "specific: a product with these features", navigational: "navigational: a brand, line or page by name",
};
export const TIERS = { head: "head, the most searched queries", torso: "torso, searched often enough to label", tail: "tail, searched seldom" };
export const PARTS = {
  meaning: "Categories, annotations, rewrites, specificity", ideas: "Substitutes and complements", next_queries: "Next queries",
};
