-- Who searched: everybody but crawlers and the shop's own people.
-- Robots by query rate: Duskin & Feitelson, "Distinguishing humans from robots in web search logs", WSCD 2009.
CREATE OR REPLACE TABLE excluded_clients AS
WITH by_minute AS (
    SELECT s.client_id, date_trunc('minute', s."at") AS minute, count(*) AS searches
    FROM searches AS s
    GROUP BY 1, 2
), by_client AS (
    SELECT client_id, max(searches) AS most_a_minute
    FROM by_minute
    GROUP BY 1
), by_day AS (
    SELECT s.client_id, date_trunc('day', s."at") AS day, count(*) AS searches
    FROM searches AS s
    GROUP BY 1, 2
), by_client_day AS (
    SELECT client_id, max(searches) AS most_a_day
    FROM by_day
    GROUP BY 1
)
SELECT by_client.client_id
FROM by_client
JOIN by_client_day ON by_client_day.client_id = by_client.client_id
CROSS JOIN settings
WHERE by_client.most_a_minute >= settings.bot_searches_a_minute
   OR by_client_day.most_a_day >= settings.bot_searches_a_day;

CREATE OR REPLACE TABLE excluded AS
SELECT
    count(*) FILTER (WHERE kind = 'bot') AS bot_searches,
    count(*) FILTER (WHERE kind = 'internal') AS internal_searches,
    count(DISTINCT client_id) FILTER (WHERE kind = 'bot') AS bot_clients,
    count(DISTINCT client_id) FILTER (WHERE kind = 'internal') AS internal_clients
FROM (
    SELECT
        s.client_id,
        CASE
            WHEN EXISTS (
                SELECT 1 FROM internal_patterns AS p
                WHERE s.client_id LIKE p.pattern OR coalesce(s.application, '') LIKE p.pattern
            ) THEN 'internal'
            WHEN x.client_id IS NOT NULL THEN 'bot'
        END AS kind
    FROM searches AS s
    LEFT JOIN excluded_clients AS x ON x.client_id = s.client_id
);

CREATE OR REPLACE TABLE human_searches AS
SELECT
    s.query_id,
    s.client_id,
    s.session_id,
    s."at" AS moment,
    s.query,
    s.hit_ids,
    power(0.5, date_diff('second', s."at", latest.moment) / (86400.0 * settings.half_life_days)) AS recency
FROM searches AS s
CROSS JOIN settings
CROSS JOIN (SELECT max("at") AS moment FROM searches) AS latest
WHERE s.client_id NOT IN (SELECT client_id FROM excluded_clients)
  AND NOT EXISTS (
    SELECT 1 FROM internal_patterns AS p
    WHERE s.client_id LIKE p.pattern OR coalesce(s.application, '') LIKE p.pattern
  );

-- Head, torso, tail by cumulative share of searches; a query that crosses a threshold belongs to the tier it began in.
CREATE OR REPLACE TABLE traffic AS
WITH acted AS (
    SELECT DISTINCT query_id FROM events WHERE action IN ('click', 'add_to_cart', 'purchase')
), counted AS (
    SELECT
        query,
        count(*) AS searches,
        count(DISTINCT client_id) AS clients,
        avg(CASE WHEN len(hit_ids) = 0 THEN 1.0 ELSE 0.0 END) FILTER (WHERE hit_ids IS NOT NULL) AS zero_share,
        avg(CASE WHEN a.query_id IS NULL THEN 0.0 ELSE 1.0 END) AS acted_share
    FROM human_searches
    LEFT JOIN acted AS a USING (query_id)
    GROUP BY query
), ranked AS (
    SELECT
        *,
        sum(searches) OVER (ORDER BY searches DESC, query ROWS UNBOUNDED PRECEDING) - searches AS searches_above,
        sum(searches) OVER () AS all_searches
    FROM counted
)
SELECT
    query,
    searches,
    clients,
    round(zero_share, 4) AS zero_share,
    round(acted_share, 4) AS acted_share,
    round(searches / all_searches, 8) AS share,
    CASE
        WHEN searches_above < settings.head_share * all_searches THEN 'head'
        WHEN searches_above < settings.torso_share * all_searches THEN 'torso'
        ELSE 'tail'
    END AS tier
FROM ranked
CROSS JOIN settings;
