"""Dotenv text is read and written as python-dotenv does it."""

from __future__ import annotations

import io
import logging
import traceback

import hypothesis.strategies as st
import pytest
from dotenv import dotenv_values
from dotenv.main import DotEnv
from hypothesis import example, given

from cloud66_async import Secret
from cloud66_async.dotenv import format_dotenv, parse_dotenv

# What has a meaning in dotenv text, or for the lines that it is split into.
SPECIAL = [
    "=", "#", "'", '"', "\\", "\\n", "\\'", '\\"', "$", "${A}", "export ", " ", "\t", "\n", "\r", "\r\n", "\ufeff",
    "\x0b", "\x1c", "\x85", "\xa0", "\u2028", "\0", "A", "B_1", "ü", "\ud800",
]  # fmt: skip

pieces = st.lists(st.sampled_from(SPECIAL) | st.text(max_size=3), max_size=12).map("".join)
names = st.sampled_from(["A", "B_1", "export", "a.b", "-", "\ufeffA", "É"]) | st.text(min_size=1, max_size=6)
separators = st.sampled_from(["=", " = ", "= ", " =", "\t=\t"])
values = st.one_of(
    pieces,
    pieces.map(lambda text: f"'{text}'"),
    pieces.map(lambda text: f'"{text}"'),
    st.sampled_from(["", '""', "''", "x # comment", "x#y", "'x' # comment", '"a\nb"', "'a\r\nb'", " "]),
)
ends = st.sampled_from(["\n", "\r\n", "\r", "\n\n", " # comment\n", "\n# comment = x\n"])
lines = st.tuples(st.sampled_from(["", "export ", "  ", "export\t"]), names, separators, values, ends).map("".join)
texts = st.tuples(st.sampled_from(["", "\ufeff", "# comment\n"]), st.lists(lines, max_size=5).map("".join)).map("".join)


def read(text: str) -> dict[str, str | None]:
    """Return the variables that python-dotenv reads."""
    return dict(dotenv_values(stream=io.StringIO(text), interpolate=False))


class Warnings(logging.Handler):
    """A handler that counts the lines that python-dotenv could not read."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1


def is_complete(text: str) -> bool:
    """Return whether python-dotenv can read every line, and every name in it has a value."""
    logger, warnings = logging.getLogger("dotenv.main"), Warnings()
    logger.addHandler(warnings)
    logger.propagate = False
    try:
        pairs = list(DotEnv(None, io.StringIO(text), interpolate=False).parse())
    finally:
        logger.removeHandler(warnings)
        logger.propagate = True
    return warnings.count == 0 and all(value is not None for _, value in pairs)


@given(pieces | texts)
@example("\ufeffA=1\r\nexport B='x\ny' # comment\r\nC=\r\n")
@example("\ufeff\ufeffA=1")
@example("A=1\nA=2\n")
@example("A\nA=1\n")
@example("A='1\n")
def test_text_is_read_as_python_dotenv_reads_it(text: str) -> None:
    if is_complete(text):
        found = {name: value.reveal() for name, value in parse_dotenv(text).items()}
        assert list(found.items()) == list(read(text).items())
    else:
        with pytest.raises(ValueError, match=r"^invalid dotenv text in line \d+: expected NAME=value$"):
            parse_dotenv(text)


@given(st.dictionaries(names | pieces, pieces | st.text()))
@example({"A": "\\n", "B": "it's", "C": '"', "D": "a\r\nb", "E": "", "F": "# no comment", "G": " x ", "H": "${A}"})
@example({"A": "\\", "B": '"'})
@example({"export": "x"})
@example({"\ufeffA": "x"})
def test_written_text_is_read_by_python_dotenv(variables: dict[str, str]) -> None:
    names = [name for name in variables if can_be_written(name)]
    written = {name: variables[name] for name in names}
    text = format_dotenv({name: Secret(value) for name, value in written.items()})
    assert text == format_dotenv(written)
    assert (text.count("\n"), text.count("\r")) == (len(written), 0)  # also if a file is opened as text
    assert is_complete(text)
    assert read(text) == written


def can_be_written(name: str) -> bool:
    """Return whether `format_dotenv` accepts a name. If it does not, python-dotenv could not read it back."""
    try:
        format_dotenv({name: "x"})
    except ValueError as error:
        expected = f"invalid name of an environment variable ({name!r}): dotenv text cannot express it"
        return str(error) != expected
    return True


@given(st.text(max_size=3) | pieces)
def test_names_that_cannot_be_written_cannot_be_read(name: str) -> None:
    if not can_be_written(name) and not {"'", '"', " "} & set(name):
        assert read(f'{name}="x"\n') != {name: "x"}


@given(texts)
def test_text_that_was_read_can_be_written(text: str) -> None:
    if is_complete(text):
        found = parse_dotenv(text)
        writable = {name: value for name, value in found.items() if can_be_written(name)}
        assert parse_dotenv(format_dotenv(writable)) == writable


@given(pieces | texts)
def test_error_names_the_line_but_shows_no_value(text: str) -> None:
    marked = f"A=hush\n{text}\nB=hush\n'hush"
    with pytest.raises(ValueError, match="expected NAME=value") as caught:
        parse_dotenv(marked)
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack
    assert "hush" not in str([frame.locals for frame in frames if "cloud66_async" in frame.filename])
    assert "hush" not in str(caught.value)
