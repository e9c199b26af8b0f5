"""The broker and the Postgres that the demo and the tests start, and what they are fed with."""
