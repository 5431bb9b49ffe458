"""What a cluster runs, found by what it is (images, labels, ports, resources) and written down as settings.

Only pods, Services, nodes and Velero's storage locations are listed; no Secret is read: which one holds a password is
what a pod's own environment says.
"""

from drill.discovery._declare import Declared, declare
from drill.discovery._seen import Seen, see
from drill.discovery._systems import System, recognise
from drill.discovery._write import settings_text

__all__ = ["Declared", "Seen", "System", "declare", "recognise", "see", "settings_text"]
