"""What happened in a run, told from its journal alone: no saga code is needed."""

from amends.ops.story.causes import because
from amends.ops.story.fan import Fan
from amends.ops.story.lines import Line, Rule, Story, Try
from amends.ops.story.telling import tell

__all__ = ["Fan", "Line", "Rule", "Story", "Try", "because", "tell"]
