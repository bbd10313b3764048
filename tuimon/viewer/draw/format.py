"""Numbers as people read them; said once for the screen and for the printer, in `tuimon.format`."""

from tuimon.format import (
    age as age,
    count as count,
    duration as duration,
    gib as gib,
    missing as missing,
    number as number,
    percent as percent,
    rate as rate,
    scale as scale,
    scientific as scientific,
    si as si,
    tick as tick,
)
