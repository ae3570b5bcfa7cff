-- How much of a query's demand goes to each product and category, corrected for where the products were shown.
--
-- Actions on an item are divided by how often a shopper looks at the places where it was shown, relative to the query as a whole:
--   demand(q, c) = actions(q, c) * [mean expected clicks of q's impressions] / [mean expected clicks of c's impressions under q]
-- which is clicks over expected clicks times the impressions. The correction is held within a factor of max_correction.
CREATE OR REPLACE TABLE query_exposure AS
SELECT i.query, sum(r.rate) / count(*) AS mean_rate
FROM impressions AS i
JOIN position_rate AS r ON r.position = i.position
GROUP BY i.query;

CREATE OR REPLACE TABLE product_exposure AS
SELECT i.query, i.product_id, sum(r.rate) AS expected, count(*) AS shown
FROM impressions AS i
JOIN position_rate AS r ON r.position = i.position
GROUP BY i.query, i.product_id;

CREATE OR REPLACE TABLE product_actions AS
SELECT
    query,
    product_id,
    category_id,
    sum(weight) AS weight,
    count(*) AS events,
    count(*) FILTER (WHERE action = 'click') AS clicks,
    count(*) FILTER (WHERE action = 'add_to_cart') AS carts,
    count(*) FILTER (WHERE action = 'purchase') AS purchases
FROM actions
GROUP BY query, product_id, category_id;

CREATE OR REPLACE TABLE lineage_actions AS
SELECT
    a.query, l.ancestor_id AS category_id, l.level, l.ancestor_id = a.category_id AS is_own,
    sum(a.weight) AS weight, sum(a.events)::BIGINT AS events, sum(a.clicks)::BIGINT AS clicks, sum(a.carts)::BIGINT AS carts,
    sum(a.purchases)::BIGINT AS purchases
FROM product_actions AS a
JOIN lineage AS l ON l.category_id = a.category_id
GROUP BY 1, 2, 3, 4;

-- Impressions of a category count only under queries in which somebody acted on it: nothing else is corrected.
CREATE OR REPLACE TABLE lineage_exposure AS
SELECT x.query, l.ancestor_id AS category_id, sum(x.expected) / sum(x.shown) AS mean_rate
FROM product_exposure AS x
JOIN products AS p ON p.product_id = x.product_id
JOIN lineage AS l ON l.category_id = p.category_id
SEMI JOIN lineage_actions AS a ON a.query = x.query AND a.category_id = l.ancestor_id
GROUP BY 1, 2;

CREATE OR REPLACE TABLE lineage_clients AS
SELECT a.query, l.ancestor_id AS category_id, count(DISTINCT a.client_id) AS clients
FROM actions AS a
JOIN lineage AS l ON l.category_id = a.category_id
GROUP BY 1, 2;

CREATE OR REPLACE TABLE category_demand AS
WITH rolled AS (
    SELECT
        query, category_id, any_value(level) AS level, bool_or(is_own) AS is_own, sum(weight) AS weight,
        sum(events)::BIGINT AS events, sum(clicks)::BIGINT AS clicks, sum(carts)::BIGINT AS carts,
        sum(purchases)::BIGINT AS purchases
    FROM lineage_actions
    GROUP BY query, category_id
), corrected AS (
    SELECT
        r.*,
        r.weight * greatest(
            1.0 / s.max_correction,
            least(s.max_correction, coalesce(q.mean_rate / x.mean_rate, 1.0))
        ) AS demand
    FROM rolled AS r
    CROSS JOIN settings AS s
    LEFT JOIN query_exposure AS q ON q.query = r.query
    LEFT JOIN lineage_exposure AS x ON x.query = r.query AND x.category_id = r.category_id
), totals AS (
    SELECT query, sum(demand) AS demand FROM corrected WHERE is_own GROUP BY query
), prior AS (
    SELECT category_id, sum(demand) / (SELECT sum(demand) FROM totals) AS prior FROM corrected GROUP BY category_id
)
-- Additive smoothing towards the share that the category has over all queries.
SELECT
    c.query,
    c.category_id,
    c.level,
    c.is_own,
    round(least(1.0, (c.demand + s.smoothing * p.prior) / (t.demand + s.smoothing)), 5) AS share,
    round(c.demand, 4) AS score,
    round(c.weight, 4) AS weight,
    c.events,
    c.clicks,
    c.carts,
    c.purchases,
    n.clients
FROM corrected AS c
CROSS JOIN settings AS s
JOIN prior AS p ON p.category_id = c.category_id
JOIN totals AS t ON t.query = c.query
JOIN lineage_clients AS n ON n.query = c.query AND n.category_id = c.category_id
WHERE c.events >= s.min_events AND n.clients >= s.min_clients;
