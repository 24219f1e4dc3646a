"""What only amends is measured with: each file measures one thing."""
