"""The daily checklist of a platform and its weaknesses, looked up on a live cluster: read only, and no fault needed.

Each check is a function from what was seen (`Scene`) to findings; a check that can't see is inconclusive, never a pass.
What is wrong today and what would go wrong in the first fault are told apart: `TODAY` and `WEAKNESSES`.
"""

from experiments.checklist._finding import Finding
from experiments.checklist._look import look, permissions, undeclared
from experiments.checklist._scene import Scene

__all__ = ["Finding", "Scene", "look", "permissions", "undeclared"]
