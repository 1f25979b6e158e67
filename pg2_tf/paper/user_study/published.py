"""The numbers of the paper's user study."""

from typing import NamedTuple


class Published(NamedTuple):
    """A row of Table 2 on one data set, in percent.

    Attributes:
        r2g: real images judged generated.
        g2r: generated images judged real.
    """

    r2g: float
    g2r: float


# Paper, Table 2: Amazon Mechanical Turk, 30 users; no intervals are given.
TABLE_2: dict[str, dict[str, Published]] = {
    "DeepFashion": {
        "G1+D": Published(7.8, 9.3),
        "G1+G2+D": Published(9.2, 14.9),
    },
    "Market-1501": {
        "G1+D": Published(17.1, 11.1),
        "G1+G2+D": Published(11.2, 5.5),
    },
}
