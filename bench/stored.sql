-- Completions of other learners that are there before a contestant begins, with what the worker keeps
-- about them. Their ids, which hold a tilde, lie between those of the learners at work, so that no
-- index has its busy pages side by side. Parameters: neighbours (learners at work), each (others next
-- to each of them), completions (of each other learner); a doubled percent sign is the modulo.
INSERT INTO completion
    (user_id, event_id, revision, revoked, exercise_id, topic, difficulty, grade_hundredths,
     time_spent_seconds, hints_used, completed_at, timezone, local_day)
SELECT user_id, gen_random_uuid(), 0, false, topic || '-' || k, topic,
       (ARRAY['easy', 'medium', 'hard'])[1 + k %% 3], 5000 + k * 37 %% 5000, 300 + k, k %% 3,
       '2026-06-01'::timestamptz + k * interval '1 day', 'Europe/Berlin', '2026-06-01'::date + k
FROM generate_series(0, %(neighbours)s - 1) AS n
CROSS JOIN generate_series(1, %(each)s) AS other
CROSS JOIN LATERAL (
    SELECT 'learner-' || lpad(n::text, 6, '0') || '~' || other AS user_id,
           (ARRAY['algorithms', 'databases', 'networking', 'graphs'])[1 + (n + other) %% 4] AS topic
) AS learner_of
CROSS JOIN generate_series(1, %(completions)s) AS k;

INSERT INTO learner_day
SELECT user_id, local_day, topic, difficulty, 1, 1, grade_hundredths, time_spent_seconds, hints_used
FROM completion;

INSERT INTO learner_total
SELECT user_id, topic, difficulty, sum(completions), sum(graded), sum(grade_hundredths),
       sum(time_spent_seconds), sum(hints_used)
FROM learner_day GROUP BY user_id, topic, difficulty;

-- Complete by the built-in rule book, so that no walk derives them while the clock runs.
INSERT INTO learner (user_id, version, active_days, counters, rule_book, rule_book_at)
SELECT user_id, count(*), range_agg(daterange(local_day, local_day + 1)), '{}', 1, count(*)
FROM learner_day GROUP BY user_id;

VACUUM ANALYZE;
