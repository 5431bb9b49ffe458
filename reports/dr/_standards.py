"""Where an auditor finds what three standards ask of an exercise; nothing here says that an organisation conforms."""

from dataclasses import dataclass

Sections = tuple[tuple[str, str], ...]
SUMMARY, SCOPE = ("summary", "Summary"), ("scope", "Scope")
OBJECTIVES, RUNS = ("objectives", "Objectives"), ("runs", "What happened")
EVIDENCE, PEOPLE = ("evidence", "Evidence"), ("people", "Participants")
DEVIATIONS, FINDINGS = ("deviations", "Deviations"), ("findings", "Findings")
EARLIER, RETEST = ("earlier", "Earlier drills"), ("retest", "Retest and sign-off")


@dataclass(frozen=True)
class Asked:
    """One thing that a standard asks for, in our words, and the sections that show it."""

    standard: str
    asks: str
    sections: Sections


MAPPING = (
    Asked("ISO 22301:2019, 8.5", "Exercises fit the continuity objectives", (OBJECTIVES,)),
    Asked("ISO 22301:2019, 8.5", "They rest on planned scenarios with clear aims", (SCOPE, RUNS)),
    Asked("ISO 22301:2019, 8.5", "They build the competence of those who have a role", (PEOPLE, DEVIATIONS)),
    Asked("ISO 22301:2019, 8.5", "Taken together over time they prove strategies and solutions", (EARLIER, OBJECTIVES)),
    Asked("ISO 22301:2019, 8.5", "A formal report has outcomes, recommendations and actions", (SUMMARY, FINDINGS)),
    Asked("ISO 22301:2019, 8.5", "Results are acted on, for continual improvement", (FINDINGS, EARLIER)),
    Asked("ISO 22301:2019, 8.5", "They are held at planned intervals", (RETEST, EARLIER)),
    Asked("SOC 2, A1.3", "Recovery procedures are tested against the objectives for recovery", (OBJECTIVES, RUNS)),
    Asked("SOC 2, A1.3", "Test scenarios consider threats and the components that can fail", (SCOPE, RUNS)),
    Asked("SOC 2, A1.3", "Backups are tested for integrity and completeness", (OBJECTIVES, RUNS, EVIDENCE)),
    Asked("SOC 2, A1.3", "Plans and systems are revised by what tests show", (FINDINGS, RETEST)),
    Asked(
        "NIST SP 800-84, 5 and 6", "The after-action report has background: scope and objectives", (SCOPE, OBJECTIVES)
    ),
    Asked("NIST SP 800-84, 5 and 6", "It has what was observed", (RUNS, DEVIATIONS, EVIDENCE)),
    Asked("NIST SP 800-84, 5 and 6", "It has recommendations, and action items for named people", (FINDINGS,)),
    Asked("NIST SP 800-84, 5 and 6", "It lists the participants", (PEOPLE,)),
)
