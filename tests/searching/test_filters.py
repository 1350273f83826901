"""Filters: what the grammar allows means what it says, and nothing else reaches the database."""

import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imprint.errors import InvalidValueError
from imprint.searching import read_filter
from imprint.searching.filters import DEEPEST

from .conftest import drawn, names

COLUMNS = {"id": "text", "label": "text", "year": "number"}


@pytest.mark.parametrize(
    ("where", "sql"),
    [
        ("label = 'x'", "`label` = 'x'"),
        ("label='it''s'", "`label` = 'it''s'"),
        ("year>=-1.5e3", "`year` >= -1.5e3"),
        ("NOT year <> 3", "(NOT `year` <> 3)"),
        (
            "label is not null or label not in ('a')",
            "(`label` IS NOT NULL OR `label` NOT IN ('a'))",
        ),
        ("id = 'a' OR id = 'b' AND year < 3", "(`id` = 'a' OR (`id` = 'b' AND `year` < 3))"),
        ("(id = 'a' OR id = 'b') AND year < 3", "((`id` = 'a' OR `id` = 'b') AND `year` < 3)"),
        (
            "label LIKE 'a%' and label not like '_b'",
            "(`label` LIKE 'a%' AND `label` NOT LIKE '_b')",
        ),
        ("label = '1; DROP TABLE x --'", "`label` = '1; DROP TABLE x --'"),
    ],
)
def test_expressions_are_written_anew(where, sql):
    assert read_filter(where, COLUMNS) == sql


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("", r"expected a column \(id, label, year\), got 'the end'"),
        ("x' OR 1=1", 'expected a column, a sign or a value, got "\' OR 1=1"'),
        ("x OR 1=1", r"expected a column \(id, label, year\), got 'x'"),
        ("label = 'x' OR 1=1", r"expected a column \(id, label, year\), got '1'"),
        ("label = 'x' OR TRUE", "expected a column .* got 'TRUE'"),
        ("label = 'x'; DROP TABLE signatures", "expected a column, a sign or a value, got '; DROP"),
        ("label = 'x' -- more", "expected a column, a sign or a value, got '-- more'"),
        ("label = 'x' /* more */", "expected a column, a sign or a value"),
        ("label = (SELECT 'x')", r"expected a text in single quotes for label, got '\('"),
        ("id IN (SELECT id)", "expected a text in single quotes for id, got 'SELECT'"),
        ("length(label) > 0", "expected a column .* got 'length'"),
        ("label = upper('x')", "expected a text in single quotes for label, got 'upper'"),
        ("label = id", "expected a text in single quotes for label, got 'id'"),
        ("label = 'a' || 'b'", "expected a column, a sign or a value"),
        ('label = "x"', "expected a column, a sign or a value"),
        ("`label` = 'x'", "expected a column, a sign or a value"),
        ("signature IS NULL", "expected a column"),
        ("_rowid = 3", "expected a column"),
        ("place = 'x'", "expected a column"),
        ("Label = 'x'", "expected a column"),
        ("year = '1999'", "expected a number for year, got \"'1999'\""),
        ("year LIKE '1%'", "expected =, !=, <>, <, <=, >, >=, IN, IS after year, got 'LIKE'"),
        ("label = 1", "expected a text in single quotes for label, got '1'"),
        ("label = 'x", 'expected a column, a sign or a value, got "\'x"'),
        ("label 'x'", "expected =, .* after label, got \"'x'\""),
        ("label = 'x' label = 'y'", "expected AND, OR or the end, got 'label'"),
        ("(label = 'x'", r"expected \), got 'the end'"),
        ("year IN ()", r"expected a number for year, got '\)'"),
        ("year IN (1, 2", r"expected \), got 'the end'"),
        ("(" * 50 + "year = 1" + ")" * 50, "expected at most 20 brackets"),
        ("NOT " * 50 + "year = 1", "expected at most 20 brackets"),
        ("year = 1" + " " * 10_000, "expected at most 10,000 characters"),
    ],
)
def test_anything_else_is_refused(where, message):
    with pytest.raises(InvalidValueError, match=f"^where: {message}"):
        read_filter(where, COLUMNS)


@given(st.text(max_size=60))
def test_no_text_but_an_expression_passes(text):
    try:
        sql = read_filter(text, COLUMNS)
    except InvalidValueError:
        return
    assert sql.startswith(("`", "("))


SIGNS = {"=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le,
         ">": operator.gt, ">=": operator.ge}  # fmt: skip
VALUES = ["", "a", "it's", "a'; --", "\\", "x' OR '1'='1", "%", "Ελλάδα", "音", "`", '"', "\n"]


def test_the_database_understands_them_as_we_do(here):
    gallery = here()
    ids = names(len(VALUES))
    cells = {own: {"place": value, "year": n} for n, (own, value) in
             enumerate(zip(ids, VALUES, strict=True))}  # fmt: skip
    gallery.add_signatures(drawn(len(VALUES)), ids, metadata=cells)
    for value in VALUES:
        quoted = value.replace("'", "''")
        assert gallery.count(f"place = '{quoted}'") == 1
        assert gallery.count(f"place IN ('{quoted}', 'nowhere')") == 1
        assert gallery.count(f"NOT place = '{quoted}'") == len(VALUES) - 1
    for sign, compare in SIGNS.items():
        assert gallery.count(f"year {sign} 3") == sum(compare(n, 3) for n in range(len(VALUES)))
    assert gallery.count("place LIKE 'it''%'") == 1
    assert gallery.count("year IS NULL OR year > 1 AND NOT (year >= 4 OR place = 'it''s')") == 1


def test_what_is_as_deep_as_it_may_be_is_understood(here):
    gallery = here()
    gallery.add_signatures(drawn(2), ["a", "b"], metadata={"a": {"year": 1999}})
    assert gallery.count("NOT " * (DEEPEST - 2) + "year = 1999") == 1
    assert gallery.count("(" * (DEEPEST - 1) + "year = 1999" + ")" * (DEEPEST - 1)) == 1


def test_a_text_that_is_none_is_refused(here):
    gallery = here()
    gallery.add_signatures(drawn(2), ["a", "b"])
    with pytest.raises(InvalidValueError, match="expected texts in UTF-8"):
        gallery.count("id = 'caf\udce9'")
