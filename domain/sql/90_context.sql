-- One row a query. Every list is cut to what a reader, or a prompt, can use, with ties broken by id.
CREATE OR REPLACE TABLE context AS
WITH categories AS (
    SELECT query, list(struct_pack(
        category_id, level, is_own, share, score, events, clicks, carts, purchases, clients
    ) ORDER BY share DESC, category_id) AS items
    FROM (
        SELECT * FROM category_demand
        QUALIFY row_number() OVER (PARTITION BY query, is_own ORDER BY share DESC, category_id) <= 12
    )
    GROUP BY query
), top_products AS (
    SELECT query, list(struct_pack(product_id, share, events) ORDER BY share DESC, product_id) AS items
    FROM (
        SELECT
            a.query, a.product_id, a.events,
            round(a.weight / sum(a.weight) OVER (PARTITION BY a.query), 4) AS share
        FROM product_actions AS a
        QUALIFY row_number() OVER (PARTITION BY a.query ORDER BY round(a.weight, 4) DESC, a.product_id) <= 8
    )
    GROUP BY query
), annotations AS (
    SELECT query, list(struct_pack(name, value, share, lift, events) ORDER BY share DESC, name, value) AS items
    FROM (
        SELECT * FROM query_facets
        QUALIFY row_number() OVER (PARTITION BY query ORDER BY share DESC, name, value) <= 10
    )
    GROUP BY query
), nexts AS (
    SELECT query, list(struct_pack(query := next_query, count, npmi) ORDER BY npmi DESC, next_query) AS items
    FROM (
        SELECT * FROM next_queries
        WHERE npmi > 0
        QUALIFY row_number() OVER (PARTITION BY query ORDER BY npmi DESC, next_query) <= 8
    )
    GROUP BY query
), rephrased AS (
    SELECT query, list(struct_pack(query := next_query, count) ORDER BY count DESC, next_query) AS items
    FROM (
        SELECT * FROM reformulations
        QUALIFY row_number() OVER (PARTITION BY query ORDER BY count DESC, next_query) <= 5
    )
    GROUP BY query
)
SELECT
    t.query, t.searches, t.clients, t.tier, t.share, t.zero_share, t.acted_share,
    coalesce(c.items, []) AS categories,
    coalesce(p.items, []) AS products,
    coalesce(a.items, []) AS annotations,
    coalesce(n.items, []) AS next_queries,
    coalesce(r.items, []) AS reformulations
FROM traffic AS t
LEFT JOIN categories AS c ON c.query = t.query
LEFT JOIN top_products AS p ON p.query = t.query
LEFT JOIN annotations AS a ON a.query = t.query
LEFT JOIN nexts AS n ON n.query = t.query
LEFT JOIN rephrased AS r ON r.query = t.query
ORDER BY t.searches DESC, t.query;
