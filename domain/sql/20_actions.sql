-- What shoppers did: each action of a client on a product counts once a search.
CREATE OR REPLACE TABLE actions AS
SELECT
    s.query,
    e.product_id,
    p.category_id,
    e.action,
    s.client_id,
    w.weight * s.recency AS weight,
    s.recency
FROM (
    SELECT query_id, action, product_id
    FROM events
    GROUP BY query_id, action, product_id
) AS e
JOIN human_searches AS s ON s.query_id = e.query_id
JOIN products AS p ON p.product_id = e.product_id
JOIN action_weights AS w ON w.action = e.action
WHERE w.weight > 0;

-- What shoppers were shown: the response list of a search, or its impression events where the log has no list.
CREATE OR REPLACE TABLE impressions AS
SELECT query, query_id, product_id, least(position, 100) AS position, recency
FROM (
    SELECT
        query, query_id, recency,
        unnest(hit_ids) AS product_id,
        unnest(range(1, len(hit_ids) + 1)) AS position
    FROM human_searches
    WHERE len(hit_ids) > 0
    UNION ALL
    SELECT s.query, s.query_id, s.recency, e.product_id, min(e.position) AS position
    FROM events AS e
    JOIN human_searches AS s ON s.query_id = e.query_id
    WHERE e.action = 'impression' AND e.position IS NOT NULL AND s.hit_ids IS NULL
    GROUP BY s.query, s.query_id, s.recency, e.product_id
);

-- Expected clicks by position. Clicks over expected clicks: Zhang & Jones, "Comparing click logs and editorial labels for
-- training query rewriting", WWW 2007 query log analysis workshop.
CREATE OR REPLACE TABLE position_rate AS
WITH shown AS (
    SELECT position, count(*) AS shown
    FROM impressions
    GROUP BY position
), looked_at AS (
    -- A log without clicks has carts and purchases, which follow them.
    SELECT DISTINCT query_id, product_id
    FROM events
    WHERE action = 'click' OR (
        action IN (SELECT action FROM action_weights WHERE weight > 0)
        AND NOT EXISTS (SELECT 1 FROM events WHERE action = 'click')
    )
), clicked AS (
    SELECT i.position, count(*) AS clicked
    FROM impressions AS i
    JOIN looked_at AS c
      ON c.query_id = i.query_id AND c.product_id = i.product_id
    GROUP BY i.position
)
SELECT
    shown.position,
    -- One click in fifty is assumed before anything is seen, so that a rare position is neither 0 nor 1.
    (coalesce(clicked.clicked, 0) + 1.0) / (shown.shown + 50.0) AS rate
FROM shown
LEFT JOIN clicked ON clicked.position = shown.position;
