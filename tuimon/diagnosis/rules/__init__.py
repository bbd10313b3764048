"""All rules. Each is a pure function of a look; the numbers in them have their reasons in the rule's `cites` or beside them."""

from tuimon.diagnosis.rule import Rule
from tuimon.diagnosis.rules import data, generalization, gradients, losses, machine, outputs, rates, script, units, weights

RULES: tuple[Rule, ...] = (
    *losses.RULES,
    *gradients.RULES,
    *units.RULES,
    *weights.RULES,
    *rates.RULES,
    *data.RULES,
    *outputs.RULES,
    *script.RULES,
    *machine.RULES,
    *generalization.RULES,
)
