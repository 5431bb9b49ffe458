"""What lies here is to be copied: `pytest scenarios/` takes none of it for a test or a scenario of its own."""

collect_ignore_glob = ["*/*"]
