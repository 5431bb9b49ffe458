"""The front door of the house and what every room shares: settings, the run record, verdicts, exit codes."""
