"""khal, a calendar program of somebody else's, and what it makes of ours."""

import subprocess
import sys
from pathlib import Path

import icalendar

CONFIG = """
[calendars]
[[bookings]]
path = {folder}/calendar
[locale]
local_timezone = {zone}
default_timezone = {zone}
timeformat = %H:%M
dateformat = %Y-%m-%d
longdateformat = %Y-%m-%d
datetimeformat = %Y-%m-%d %H:%M
longdatetimeformat = %Y-%m-%d %H:%M
[sqlite]
path = {folder}/khal.db
"""
LINE = "{start}|{end}|{title}|{status}|{location}"


class Program:
    """A program in a time zone, with a calendar that is empty at first."""

    def __init__(self, folder: Path, zone: str):
        self.folder = folder
        (folder / "calendar").mkdir()
        (folder / "config").write_text(CONFIG.format(folder=folder, zone=zone))

    def take(self, content: bytes) -> None:
        """Import a calendar, or what came with a mail; what is known by its UID is replaced."""
        (self.folder / "taken.ics").write_bytes(content)
        self._run("import", "--batch", "-a", "bookings", str(self.folder / "taken.ics"))

    def shows(self, first: str, days: int = 40) -> list[list[str]]:
        """Start, end, title, status and place of each event from a date on, in the program's zone."""
        lines = self._run("list", "--day-format", "", "--format", LINE, first, f"{days}d").splitlines()
        return [[part.strip() for part in line.split("|")] for line in lines if line.strip()]

    def _run(self, *arguments):
        command = [Path(sys.executable).with_name("khal"), "-c", self.folder / "config", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def events(content: bytes) -> dict[str, icalendar.Event]:
    """The events of a calendar by their UID, as the library reads them."""
    found = icalendar.Calendar.from_ical(content).walk("VEVENT")
    assert len({str(event["UID"]) for event in found}) == len(found)
    return {str(event["UID"]): event for event in found}
