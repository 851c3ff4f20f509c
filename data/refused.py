"""Why a sample is quarantined."""


class Refused(ValueError):
    """A sample that is quarantined: a short code, and what was found."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail
