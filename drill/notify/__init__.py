"""Who is told of a drill while it runs: Slack, a signed webhook, Grafana, the cluster's own events.

A notifier follows a run by its record. It never blocks a drill and never raises into it: messages go through a bounded
queue and a thread for each channel, are retried, and what could not be sent is an event in the record. URLs and keys
come from the environment or a Secret, and are in no log, no record, no report and no error.
"""

from drill.notify._messages import Message
from drill.notify._notifier import Notifier, permissions
from drill.notify.signature import sign, verify

__all__ = ["Message", "Notifier", "permissions", "sign", "verify"]
