-- Makes the learners of view_learners.sql complete by a rule book, and adds the completions that
-- their days stand for. Parameter: the version of the rule book; a doubled percent sign is the
-- modulo.
UPDATE learner SET rule_book = %(version)s, rule_book_at = version, complete_at = version;

INSERT INTO completion (
    user_id, event_id, revision, revoked, exercise_id, topic, difficulty, grade_hundredths,
    time_spent_seconds, hints_used, completed_at, timezone, local_day, utc_offset_minutes,
    local_day_hour
)
SELECT user_id, gen_random_uuid(), 0, false, 'exercise-' || n, topic, difficulty,
       grade_hundredths / graded, time_spent_seconds / completions, hints_used %% 3,
       local_day + interval '9 hours' + n * interval '10 minutes', 'Europe/Berlin', local_day, 120, 0
FROM learner_day CROSS JOIN LATERAL generate_series(1, completions) AS n;
