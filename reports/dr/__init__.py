"""The DR drill report: what leadership and auditors read and sign, in a folder with the evidence that it rests on."""

from reports.dr._details import Details
from reports.dr._package import Trouble, checked, covered, seal, verify, write

__all__ = ["Details", "Trouble", "checked", "covered", "seal", "verify", "write"]
