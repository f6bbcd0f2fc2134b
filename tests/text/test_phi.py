"""Text that may identify a person; longer lists are in the tests of `no_phi`."""

import pytest

from bbflow.text.phi import identifying, mask


@pytest.mark.parametrize(
    ("text", "kind", "part"),
    [
        ("SSN 123-45-6789.", "a social security number", "123-45-6789"),
        ("Call (555) 123-4567 now", "a phone number", "(555) 123-4567"),
        ("MRN: A12345", "a record number", "MRN: A12345"),
        ("born on 3 May 1961", "a birth date", "born on 3 May 1961"),
        ("to a.b@c.org", "an e-mail address", "a.b@c.org"),
        ("Mrs. Smith-Jones has gout", "a name with a title", "Mrs. Smith-Jones"),
        ("M\u200brs. Smith", "a name with a title", "M\u200brs. Smith"),
    ],
)
def test_each_kind_is_found_in_the_original_characters(text, kind, part):
    ((found, (start, end)),) = identifying(text)
    assert (found, text[start:end]) == (kind, part)


@pytest.mark.parametrize("text", ["[NAME] takes 500 mg", "eGFR 45 since 2019", "Dr. advises rest", "12-15 mg", ""])
def test_other_text_identifies_nobody(text):
    assert list(identifying(text)) == []


def test_the_mask_keeps_places():
    assert mask("Mr. Lee: 555-123-4567!") == "\u2588" * 7 + ": " + "\u2588" * 12 + "!"
