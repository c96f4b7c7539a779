"""What scanners say of the site that is no fault of it, each with the reason. Whoever adds one has looked."""

import re
from typing import NamedTuple

from scans.scanners import Finding


class Explained(NamedTuple):
    """Findings of a tool and a kind whose page and field match, and why they are none."""

    tool: str
    kind: str
    where: str
    reason: str


EXPLAINED = (
    Explained(
        "wapiti", "Clickjacking Protection", r"GET /api/.*",
        "calls say it by frame-ancestors 'none' in their Content-Security-Policy: V3.4.6 in test_asvs",
    ),
)  # fmt: skip


def reason(finding: Finding) -> str | None:
    """Why a finding is none; None when nobody has looked at it."""
    where = f"{finding.method} {finding.pattern} {finding.parameter}"
    for one in EXPLAINED:
        if (one.tool, one.kind) == (finding.tool, finding.kind) and re.fullmatch(one.where, where):
            return one.reason
    return None
