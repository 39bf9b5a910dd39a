"""How a table is to be read, where a person says so: every kind that reads one offers these fields."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms

#: Encodings that may be chosen, in Python's names; the first ones are asked for most.
ENCODINGS = {
    "utf-8": "UTF-8",
    "utf-16": "UTF-16",
    "cp1252": "Windows-1252 (Western Europe)",
    "cp1250": "Windows-1250 (Central Europe)",
    "cp1251": "Windows-1251 (Cyrillic)",
    "cp1253": "Windows-1253 (Greek)",
    "cp1254": "Windows-1254 (Turkish)",
    "cp1255": "Windows-1255 (Hebrew)",
    "cp1256": "Windows-1256 (Arabic)",
    "cp1257": "Windows-1257 (Baltic)",
    "iso8859_2": "ISO 8859-2 (Central Europe)",
    "iso8859_15": "ISO 8859-15 (Western Europe)",
    "koi8_u": "KOI8 (Cyrillic)",
    "gb18030": "GBK, GB 18030 (Chinese, simplified)",
    "big5hkscs": "Big5 (Chinese, traditional)",
    "cp932": "Shift-JIS (Japanese)",
    "euc_jp": "EUC-JP (Japanese)",
    "cp949": "EUC-KR (Korean)",
    "mac_roman": "Mac Roman",
    "cp850": "DOS 850 (Western Europe)",
    "cp852": "DOS 852 (Central Europe)",
    "cp866": "DOS 866 (Cyrillic)",
}
SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}


@dataclass(frozen=True)
class Choice:
    """What a person chose; empty where the file itself is to tell. header: a line, or a row of a sheet, from 1."""

    encoding: str = ""
    separator: str = ""
    sheet: str = ""
    header: int = 0

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> "Choice":
        """Of a form's cleaned data, or of a job's parameters; jobs of earlier versions have none."""
        return cls(
            encoding=params.get("encoding") or "",
            separator=SEPARATORS.get(params.get("separator") or "", ""),
            sheet=params.get("sheet") or "",
            header=params.get("header") or 0,
        )


AS_FOUND = Choice()


#: Title and names of the fields.
Fieldset = tuple[str, tuple[str, ...]]
#: Folded on pages: what is read by itself as a rule is not in the way of those who send letters.
FIELDSET: Fieldset = ("How the table is read", ("encoding", "separator", "sheet", "header"))


def fields() -> tuple[forms.Field, ...]:
    """The form fields encoding, separator, sheet and header."""
    return (
        forms.ChoiceField(
            label="Encoding of the table",
            required=False,
            choices=[("", "Found by itself"), *ENCODINGS.items()],
            help_text="Of a text file, where its letters come out wrong.",
        ),
        forms.ChoiceField(
            label="Between the values",
            required=False,
            choices=[("", "Found by itself"), *((name, name.capitalize()) for name in SEPARATORS)],
            help_text="Of a text file.",
        ),
        forms.CharField(
            label="Sheet",
            required=False,
            max_length=100,
            help_text="Of a workbook. Empty: the first one that is not hidden.",
        ),
        forms.IntegerField(
            label="Header on line",
            required=False,
            min_value=1,
            max_value=10_000,
            help_text="Where the columns' names stand; in a workbook its row. Empty: the first that is not blank.",
        ),
    )
