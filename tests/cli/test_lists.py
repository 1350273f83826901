import pytest

from imprint.cli.lists import repeat_option


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("a b", "a b"),
        ("a --epsilon 0 b", "a --epsilon 0 b"),
        ("--epsilon 0 0.1 1e-3 a b", "--epsilon 0 --epsilon 0.1 --epsilon 1e-3 a b"),
        ("--epsilon 0 --epsilon 0.1 0.2", "--epsilon 0 --epsilon 0.1 --epsilon 0.2"),
        ("--epsilon 0 --steps 4 5", "--epsilon 0 --steps 4 5"),
        ("--epsilon -0.1 -0.2", "--epsilon -0.1 --epsilon -0.2"),
        ("--epsilon many 0.1", "--epsilon many --epsilon 0.1"),
        ("--epsilon", "--epsilon"),
        ("", ""),
    ],
)
def test_numbers_that_follow_an_option_are_its_own(given, expected):
    assert repeat_option(given.split(), "--epsilon") == expected.split()
