"""The one error type whose text is written for the user."""


class TuimonError(Exception):
    """Something the user can understand and act on.

    Its text says what was being done, to what, and why it failed; `hint` says what to try. Shown as it is on stderr
    by the command line and in a dialog by the screen, never with a traceback.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message
