-- Which categories are wanted together, and which follow each other, beside how often each is wanted at all.
-- Reads `human_searches`, `steps`, `events`, `products`, `taxonomy` and `query_category` (query, category_id).
--
-- A basket is what one client put in the cart or bought in one day, a want the query and the category by which it got there.
-- A log without carts and purchases is read by its clicks. Of a basket the first 40 wants count: a client with 10,000 events
-- gives 780 pairs at most. Two categories that came by one query are two answers to one need, and no pair; nor are siblings that
-- came by a query and a part of it ("bread", "white bread").
CREATE OR REPLACE MACRO is_part(x, y) AS contains(' ' || y || ' ', ' ' || x || ' ') OR contains(' ' || x || ' ', ' ' || y || ' ');

CREATE OR REPLACE TABLE wants AS
WITH level AS (
    SELECT coalesce(bool_or(action IN ('add_to_cart', 'purchase')), false) AS has_carts FROM events
), chosen AS (
    SELECT s.client_id, date_trunc('day', s.moment) AS day, s.query, p.category_id, min(s.moment) AS moment
    FROM events AS e
    CROSS JOIN level
    JOIN human_searches AS s ON s.query_id = e.query_id
    JOIN products AS p ON p.product_id = e.product_id
    WHERE e.action IN ('add_to_cart', 'purchase') OR (e.action = 'click' AND NOT level.has_carts)
    GROUP BY 1, 2, 3, 4
)
SELECT client_id, day, query, category_id
FROM chosen
QUALIFY row_number() OVER (PARTITION BY client_id, day ORDER BY moment, query, category_id) <= 40;

CREATE OR REPLACE TABLE counted AS
WITH basket AS (
    SELECT DISTINCT client_id, day, category_id FROM wants
), pair AS (
    SELECT DISTINCT a.client_id, a.day, a.category_id AS one, b.category_id AS other
    FROM wants AS a
    JOIN wants AS b ON b.client_id = a.client_id AND b.day = a.day
    JOIN taxonomy AS ta ON ta.category_id = a.category_id
    JOIN taxonomy AS tb ON tb.category_id = b.category_id
    WHERE a.category_id < b.category_id
      AND a.query <> b.query
      AND NOT (ta.parent_id IS NOT DISTINCT FROM tb.parent_id AND is_part(a.query, b.query))
), move AS (
    -- A client that takes a step again and again counts once.
    SELECT DISTINCT
        s.client_id,
        f.category_id AS one,
        t.category_id AS other,
        CASE WHEN s.acted THEN 'next' ELSE 'instead' END AS kind
    FROM steps AS s
    JOIN query_category AS f ON f.query = s.query
    JOIN query_category AS t ON t.query = s.next_query
    JOIN taxonomy AS tf ON tf.category_id = f.category_id
    JOIN taxonomy AS tt ON tt.category_id = t.category_id
    WHERE f.category_id <> t.category_id
      AND NOT (tf.parent_id IS NOT DISTINCT FROM tt.parent_id AND is_part(s.query, s.next_query))
)
SELECT 'together' AS kind, category_id AS one, NULL AS other, count(*) AS count FROM basket GROUP BY category_id
UNION ALL
SELECT 'together', one, other, count(*) FROM pair GROUP BY one, other
UNION ALL
SELECT kind, one, other, count(*) FROM move GROUP BY kind, one, other;
