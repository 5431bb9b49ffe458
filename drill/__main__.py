"""`python -m drill`: the command line, where its script is not on PATH (in a container image, for instance)."""

from drill.cli import main

main()
