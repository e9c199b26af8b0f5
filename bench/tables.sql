-- The tables of the contestants that are not ours: as narrow as the specification allows, sums by
-- learner, topic and day, where ours also keeps them by difficulty.
CREATE TABLE completion (
    user_id text NOT NULL,
    event_id uuid NOT NULL,
    exercise_id text NOT NULL,
    topic text NOT NULL,
    difficulty text NOT NULL,
    grade_hundredths smallint,
    time_spent_seconds integer NOT NULL,
    hints_used smallint NOT NULL,
    completed_at timestamptz NOT NULL,
    timezone text,
    local_day date NOT NULL,
    PRIMARY KEY (user_id, event_id)
);
CREATE TABLE learner (
    user_id text PRIMARY KEY,
    completions integer NOT NULL,
    graded integer NOT NULL,
    grade_hundredths bigint NOT NULL,
    time_spent_seconds bigint NOT NULL,
    hints_used bigint NOT NULL,
    active_days datemultirange NOT NULL
) WITH (fillfactor = 80);
CREATE TABLE learner_topic (
    user_id text NOT NULL,
    topic text NOT NULL,
    completions integer NOT NULL,
    graded integer NOT NULL,
    grade_hundredths bigint NOT NULL,
    time_spent_seconds bigint NOT NULL,
    hints_used bigint NOT NULL,
    PRIMARY KEY (user_id, topic)
) WITH (fillfactor = 80);
CREATE TABLE learner_day (
    user_id text NOT NULL,
    local_day date NOT NULL,
    completions integer NOT NULL,
    graded integer NOT NULL,
    grade_hundredths bigint NOT NULL,
    time_spent_seconds bigint NOT NULL,
    hints_used bigint NOT NULL,
    PRIMARY KEY (user_id, local_day)
) WITH (fillfactor = 80);
