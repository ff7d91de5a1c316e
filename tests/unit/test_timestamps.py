from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest

from cloud66_async._core.timestamps import parse_timestamp


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2014-09-01T19:00:33Z", datetime(2014, 9, 1, 19, 0, 33, tzinfo=UTC)),
        ("2014-06-15T14:13:18+00:00", datetime(2014, 6, 15, 14, 13, 18, tzinfo=UTC)),
        ("2014-08-14 00:38:14 UTC", datetime(2014, 8, 14, 0, 38, 14, tzinfo=UTC)),
        ("2021-01-04T21:32:33+0000", datetime(2021, 1, 4, 21, 32, 33, tzinfo=UTC)),
        ("2015-02-10T17:41:36.988310784Z", datetime(2015, 2, 10, 17, 41, 36, 988310, tzinfo=UTC)),
        ("2021-01-04T23:32:33+02:00", datetime(2021, 1, 4, 21, 32, 33, tzinfo=UTC)),
        ("2021-01-04T21:32:33", datetime(2021, 1, 4, 21, 32, 33, tzinfo=UTC)),
        ("2021-01-04 21:32:33", datetime(2021, 1, 4, 21, 32, 33, tzinfo=UTC)),
        ("2021-01-04", datetime(2021, 1, 4, tzinfo=UTC)),
        ("  2014-08-14 00:38:14 UTC ", datetime(2014, 8, 14, 0, 38, 14, tzinfo=UTC)),
        (1409598033, datetime(2014, 9, 1, 19, 0, 33, tzinfo=UTC)),
        (1409598033.5, datetime(2014, 9, 1, 19, 0, 33, 500000, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01 00:00:00 UTC", None),
        ("", None),
        ("  ", None),
    ],
)
def test_every_timestamp_format_of_the_api_gives_an_aware_datetime(value: object, expected: datetime | None) -> None:
    found = parse_timestamp(value)
    assert found == expected
    assert found is None or found.tzinfo is not None


@pytest.mark.parametrize(
    "value",
    ["yesterday", "2014-13-01T00:00:00Z", "UTC", " UTC", True, None, [], {}, 1e300, -1e300, math.nan, 10**20],
)
def test_invalid_timestamp_raises_value_error(value: object) -> None:
    with pytest.raises(ValueError):
        parse_timestamp(value)
