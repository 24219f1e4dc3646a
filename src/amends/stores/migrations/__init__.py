"""Numbered SQL files that bring a store from one schema to the next."""
