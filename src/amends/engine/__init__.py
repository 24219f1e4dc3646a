"""Makes a saga happen: turns, attempts, recovery, and what operators can do."""
