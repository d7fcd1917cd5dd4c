"""What every figure is drawn with: scales, ticks, lettering and marks, as SVG text that is escaped by construction.

Lengths are pixels of a figure `WIDTH` wide, which is a phone's. Colours are classes that the page's style sheet fills.
"""

from dataclasses import dataclass
from math import ceil, floor, log10
from unicodedata import category, east_asian_width

from markupsafe import Markup

from pluralign.report.wording import Kind

WIDTH = 340.0
SMALL = 11.0
"""Size of the lettering."""

WIDEST = 1.0
"""Width of the widest letter, in units of its size."""

POINTS: dict[Kind, str] = {
    "gain": "M0-5.2 5 3.8H-5z",
    "loss": "M0 5.2 5-3.8H-5z",
    "equivalent": "M-3.8-3.8H3.8V3.8H-3.8z",
    "inconclusive": "M0-4A4 4 0 1 1 0 4 4 4 0 1 1 0-4z",
    "described": "M0-5 5 0 0 5-5 0z",
    "better": "M0-5.2 5 3.8H-5z",
    "worse": "M0 5.2 5-3.8H-5z",
    "unsure": "M0-4A4 4 0 1 1 0 4 4 4 0 1 1 0-4z",
    "reference": "M-1.2-6H1.2V6H-1.2z",
}
"""A shape for each way a change is shown, so that it can be told without colour."""

LINE_POINTS = (
    "M0-3.6A3.6 3.6 0 1 1 0 3.6 3.6 3.6 0 1 1 0-3.6z",
    "M-3.3-3.3H3.3V3.3H-3.3z",
    "M0-4.4 4.2 3.2H-4.2z",
    "M0-4.6 4.6 0 0 4.6-4.6 0z",
    "M0 4.4 4.2-3.2H-4.2z",
    "M-1.4-4.4H1.4V-1.4H4.4V1.4H1.4V4.4H-1.4V1.4H-4.4V-1.4H-1.4z",
)
"""Shapes that tell the lines of a chart apart."""


@dataclass(frozen=True, slots=True)
class Scale:
    """A straight map from values between `low` and `high` to pixels between `start` and `end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The pixel of a value; beyond an end where the value is."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def inside(self, value: float) -> float:
        """The pixel of a value, held at the nearer end."""
        return self(min(max(value, self.low), self.high))


def ticks(low: float, high: float, wanted: int) -> tuple[float, ...]:
    """Round values (1, 2 or 5 times a power of ten apart) between `low` and `high`, at most `wanted` and zero apart.

    `high` must be above `low`. From 3 `wanted` there is at least one, from 5 one on either side of a middle zero.
    """
    power = 10.0 ** floor(log10((high - low) / wanted))
    step = next(step for step in (power, 2 * power, 5 * power, 10 * power) if (high - low) / step <= wanted)
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    return tuple(index * step for index in range(first, last + 1))


def letters(text: str) -> float:
    """About how wide a text is, in units of its size: wide letters count one, joining marks nothing."""
    return sum((_letter(letter) for letter in text), 0.0)


def shortened(text: str, pixels: float) -> str:
    """A text that fits, cut with an ellipsis where it is too long, never between a letter and its joining marks."""
    room, used = pixels / SMALL, 0.0
    if len(text) * WIDEST <= room:
        return text
    ellipsis, end = _letter("…"), 0
    for place, letter in enumerate(text):
        used += _letter(letter)
        if used > room:
            return text[:end].rstrip() + "…"
        if used + ellipsis <= room:
            end = place + 1
    return text


def lines(text: str, pixels: float, most: int) -> tuple[str, ...]:
    """A name over at most `most` lines, broken at spaces, hyphens and underscores; the last is shortened."""
    rows = [""]
    for part in _parts(text):
        if rows[-1] and letters(rows[-1] + part) * SMALL > pixels and len(rows) < most:
            rows.append("")
        rows[-1] += part
    return tuple(shortened(row.strip(), pixels) for row in rows)


def lettering(text: str, x: float, y: float, style: str = "", *, room: float | None = None) -> Markup:
    """A text with its baseline at `y`, shortened to `room`; its whole is then its tool tip."""
    shown = text if room is None else shortened(text, room)
    tip = Markup("<title>{}</title>").format(text) if shown != text else Markup("")
    return Markup('<text x="{}" y="{}" class="{}">{}{}</text>').format(pixel(x), pixel(y), style, tip, shown)


def line(x1: float, y1: float, x2: float, y2: float, style: str) -> Markup:
    """A straight line."""
    ends = (pixel(x1), pixel(y1), pixel(x2), pixel(y2))
    return Markup('<line x1="{}" y1="{}" x2="{}" y2="{}" class="{}"/>').format(*ends, style)


def point(shape: str, x: float, y: float, style: str) -> Markup:
    """A mark with its middle at a place."""
    return Markup('<path d="{}" transform="translate({} {})" class="{}"/>').format(shape, pixel(x), pixel(y), style)


def key(kind: Kind) -> Markup:
    """The mark of a verdict in running text."""
    shape = Markup('<svg class="key" viewBox="-7 -7 14 14" aria-hidden="true"><path d="{}" class="point {}"/></svg>')
    return shape.format(POINTS[kind], kind)


def drawing(height: float, message: str, *content: Markup) -> Markup:
    """A figure with the message that stands for it where it cannot be seen."""
    frame = Markup('<svg class="drawing" role="img" aria-label="{}" viewBox="0 0 {} {}">{}</svg>')
    return frame.format(message, pixel(WIDTH), pixel(height), Markup("").join(content))


def pixel(length: float) -> str:
    """A length to a tenth of a pixel."""
    return f"{round(length, 1) + 0.0:g}"


def _letter(letter: str) -> float:
    if category(letter) in ("Mn", "Me", "Cf"):
        return 0.0
    if east_asian_width(letter) in "WF":
        return WIDEST
    if letter in " .,:;'|!()[]-/ijlftr1":
        return 0.36
    return 0.66 if letter.isupper() or letter in "mwMW%" else 0.56


def _parts(text: str) -> list[str]:
    parts = [""]
    for letter in text:
        parts[-1] += letter
        if letter in " -_/":
            parts.append("")
    return parts
