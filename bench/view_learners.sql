-- Learners as the worker would have left them, but for the completions, which no measured path
-- reads. Few learners do most of the work: between 2 and 300 active days, five on and two off, in
-- 1 to 6 topics. Parameters: learners, catalogue (ids), counters (JSON); a doubled percent sign is
-- the modulo.
INSERT INTO learner_day
SELECT 'learner-' || n,
       current_date - (k / 5 * 7 + k %% 5)::integer,
       (ARRAY['algorithms', 'databases', 'networking', 'statistics', 'graphs', 'logic'])
           [1 + (k + cell) %% (1 + n %% 6)],
       (ARRAY['easy', 'medium', 'hard'])[1 + (k + n) %% 3],
       1 + (k + n) %% 4,
       1 + (k + n) %% 4,
       (1 + (k + n) %% 4) * (5500 + (n * 7 + k * 13) %% 4500),
       (1 + (k + n) %% 4) * 540,
       k %% 3
FROM generate_series(1, %(learners)s) AS n
CROSS JOIN LATERAL (SELECT (hashint4(n) & 65535) / 65535.0 AS zeal) AS of_learner
CROSS JOIN LATERAL generate_series(0, 1 + (298 * power(zeal, 14))::integer) AS k
CROSS JOIN LATERAL generate_series(0, (k + n) %% 2) AS cell
ON CONFLICT DO NOTHING;

INSERT INTO learner_total
SELECT user_id, topic, difficulty, sum(completions), sum(graded), sum(grade_hundredths),
       sum(time_spent_seconds), sum(hints_used)
FROM learner_day GROUP BY user_id, topic, difficulty;

INSERT INTO learner
SELECT user_id, count(*), range_agg(daterange(local_day, local_day + 1)), 'Europe/Berlin',
       now(), gen_random_uuid(), %(counters)s::jsonb
FROM learner_day GROUP BY user_id;

INSERT INTO skill_level
SELECT user_id, topic, CASE WHEN sum(completions) >= 30 THEN 'advanced' ELSE 'intermediate' END,
       'beginner', now()
FROM learner_total GROUP BY user_id, topic HAVING sum(completions) >= 10;

INSERT INTO achievement_unlock
SELECT user_id, achievement, now() - place * interval '1 day', current_date - place::integer,
       gen_random_uuid(), 1, 'exercises_completed', 1, 1, false
FROM (SELECT user_id, count(DISTINCT local_day) AS days FROM learner_day GROUP BY user_id) AS active
CROSS JOIN unnest(%(catalogue)s::text[]) WITH ORDINALITY AS earned (achievement, place)
WHERE place <= 1 + days / 4;
