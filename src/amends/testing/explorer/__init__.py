"""Searches all the worlds that a saga can meet, with up to n faults, for one that breaks a rule."""
