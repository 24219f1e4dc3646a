"""Where journals are kept: one port, and the stores that fulfil it."""
