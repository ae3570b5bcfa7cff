-- What is searched next. A session ends after 30 idle minutes: He & Göker, "Detecting session boundaries from web user logs", 2000.
CREATE OR REPLACE TABLE steps AS
WITH ordered AS (
    SELECT
        query_id, client_id, session_id, query, moment, hit_ids,
        lead(query) OVER following AS next_query,
        lead(moment) OVER following AS next_moment
    FROM human_searches
    WINDOW following AS (PARTITION BY client_id, session_id ORDER BY moment, query_id)
)
SELECT
    o.query,
    o.next_query,
    o.client_id,
    date_diff('second', o.moment, o.next_moment) AS seconds,
    o.query_id IN (SELECT query_id FROM events WHERE action IN ('click', 'add_to_cart', 'purchase')) AS acted
FROM ordered AS o
WHERE o.next_query IS NOT NULL
  AND o.next_query <> o.query
  AND date_diff('second', o.moment, o.next_moment) <= 1800;

-- Normalised pointwise mutual information: Bouma, "Normalized (pointwise) mutual information in collocation extraction", GSCL 2009.
CREATE OR REPLACE TABLE next_queries AS
WITH pairs AS (
    SELECT query, next_query, count(*) AS count, count(DISTINCT client_id) AS clients
    FROM steps
    GROUP BY query, next_query
), firsts AS (
    SELECT query, count(*) AS count FROM steps GROUP BY query
), nexts AS (
    SELECT next_query, count(*) AS count FROM steps GROUP BY next_query
), total AS (
    SELECT count(*) AS count FROM steps
)
SELECT
    p.query,
    p.next_query,
    p.count,
    round(
        CASE
            WHEN p.count = t.count THEN 1.0
            ELSE ln(p.count * 1.0 * t.count / (f.count * n.count)) / -ln(p.count * 1.0 / t.count)
        END,
        4
    ) AS npmi
FROM pairs AS p
JOIN firsts AS f ON f.query = p.query
JOIN nexts AS n ON n.next_query = p.next_query
CROSS JOIN total AS t
CROSS JOIN settings AS s
WHERE p.clients >= s.min_clients AND p.count >= s.min_events;

-- A reformulation: soon after a search nobody acted on, and alike in spelling or a part of the other.
-- Kinds after Huang & Efthimiadis, "Analyzing and evaluating query reformulation strategies in web search logs", CIKM 2009.
CREATE OR REPLACE TABLE reformulations AS
SELECT query, next_query, count(*) AS count
FROM steps
CROSS JOIN settings
WHERE NOT acted
  AND seconds <= 300
  AND (
    levenshtein(query, next_query) <= greatest(1, least(length(query), length(next_query)) // 4)
    OR contains(' ' || next_query || ' ', ' ' || query || ' ')
    OR contains(' ' || query || ' ', ' ' || next_query || ' ')
  )
GROUP BY query, next_query, settings.min_clients
HAVING count(DISTINCT client_id) >= settings.min_clients;
