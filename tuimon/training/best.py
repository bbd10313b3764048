"""The best validation of a run so far, and the number of validations since."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass
class Best:
    """The best validation, by accuracy if there is one, then by loss. A validation without a finite loss is never the best."""

    accuracy: float = -math.inf
    loss: float = math.inf
    step: int = 0
    waited: int = 0  # validations since then

    def is_beaten(self, step: int, loss: float, metrics: Mapping[str, float]) -> bool:
        """Adds a validation; returns whether it is the new best."""
        accuracy = metrics.get("accuracy", 0.0)
        if math.isfinite(loss) and (accuracy, -loss) > (self.accuracy, -self.loss):
            self.accuracy, self.loss, self.step, self.waited = accuracy, loss, step, 0
            return True
        self.waited += 1
        return False

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers; `Best(**state)` reads them back."""
        return asdict(self)
