-- Brands and attributes of what converted, against what the catalogue's conversions hold in general.
CREATE OR REPLACE TABLE facets AS
SELECT product_id, 'brand' AS name, trim(brand) AS value
FROM products
WHERE brand IS NOT NULL AND trim(brand) <> ''
UNION ALL
SELECT product_id, name, value
FROM product_attributes;

CREATE OR REPLACE TABLE query_facets AS
WITH facet_weight AS (
    SELECT a.query, f.name, f.value, sum(a.weight) AS weight, sum(a.events)::BIGINT AS events
    FROM product_actions AS a
    JOIN facets AS f ON f.product_id = a.product_id
    GROUP BY 1, 2, 3
), query_weight AS (
    SELECT query, sum(weight) AS weight FROM product_actions GROUP BY query
), everywhere AS (
    SELECT name, value, sum(weight) / (SELECT sum(weight) FROM product_actions) AS share
    FROM facet_weight
    GROUP BY name, value
), scored AS (
    SELECT
        f.query, f.name, f.value,
        round(f.weight / q.weight, 4) AS share,
        round(f.weight / q.weight / e.share, 2) AS lift,
        f.events
    FROM facet_weight AS f
    JOIN query_weight AS q ON q.query = f.query
    JOIN everywhere AS e ON e.name = f.name AND e.value = f.value
    CROSS JOIN settings AS s
    WHERE f.events >= s.min_events
)
SELECT *
FROM scored
WHERE share >= 0.1 AND lift >= 1.5;
