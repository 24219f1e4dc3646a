"""Other engines, each in a virtual environment of its own: one file of idiomatic code and one of pinned versions for each."""
