"""Which encoding a text is in, and whether that is certain.

A mark at the start, zero bytes in every second place and valid UTF-8 leave no doubt. Of the old encodings most can read
any bytes, so that the one which was meant shows only in what comes out: letters of two scripts in one word, capitals
behind small letters and signs amid letters are in no language. The encodings that stand these tests are the guesses;
they are certain where all of them give the same text, as for "Müller", which is one in all of Western Europe's.

charset-normalizer answers one encoding and none of its doubt, and of lists with few such letters often the wrong one:
docs/decisions.md, "Encodings".
"""

import codecs
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import IO

from jobs.core.errors import PermanentError
from jobs.kinds._tables.choices import ENCODINGS

SAMPLE = 64 * 1024
CHUNK = 1024 * 1024
#: Lines that are judged: those first ones that are not plain ASCII.
_JUDGED = 2000
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: The old encodings, the likelier first where the text does not tell.
_OLD = [name for name in ENCODINGS if not name.startswith("utf")]
#: Guessed only where no other can have been meant: what they make of others' texts looks too often like a language.
_RARE = ("mac_roman", "cp850", "cp852", "cp866")
_HAN = ("gb18030", "big5hkscs", "cp932", "euc_jp", "cp949")
_SCRIPTS = (
    ("GREEK", 0x370, 0x3FF), ("CYRILLIC", 0x400, 0x52F), ("HEBREW", 0x590, 0x5FF), ("ARABIC", 0x600, 0x6FF),
    ("KANA", 0x3041, 0x30FF), ("HAN", 0x3400, 0x9FFF), ("HANGUL", 0xAC00, 0xD7A3), ("HALF", 0xFF61, 0xFF9F),
)  # fmt: skip
_WORD = re.compile(r"[^\W\d_]+")
#: Signs that stand beside letters in some language: these between two, those only at an end, or only at the start.
_BETWEEN, _AT_END = set("’‘–—·ー々〆・、。「」『』（）！？：，；"), set("”“»›…ªº°®™©§€£¥")
_AT_START = set("“‘„‚«‹§©…")
_BALTIC = set("ąčęėįšųūžāēģīķļņ")
_FREQUENT = set(
    "éèêàâçîôûùëïäöüßñáíóúãõåæøÉÖÜÄÅØ" "čěřšžýůťďňąćęłńśźżőűăâîșțşţğıİČŠŽŁŚ" "оаеинтсрвлкмдпуяыьгзбчйхжшюцщэфіїє"
    "αειονστρκλμπυηάέήίόύώςθγδβ" "אבגדהוזחטיכלמנסעפצקרשתםןףץך" "ابتثجحخدذرزسشصضطظعغفقكلمنهويةىأإؤئ" "āēīūģķļņ"
)  # fmt: skip


@dataclass(frozen=True)
class Found:
    """The encoding of a text. guesses: [(encoding, a line as it reads)] where others are as likely, else empty."""

    name: str
    guesses: tuple[tuple[str, str], ...] = ()

    @property
    def label(self) -> str:
        return label_of(self.name)


def label_of(name: str) -> str:
    plain = {"utf-8-sig": "utf-8", "utf-16-le": "utf-16", "utf-16-be": "utf-16"}.get(name, name)
    return ENCODINGS.get(plain, plain.upper()).partition(" (")[0]


def find(open_file: Callable[[], IO[bytes]]) -> Found:
    """The encoding that all of the file can be read in. Raises PermanentError, with the line, where there is none."""
    with open_file() as file:
        sample = file.read(SAMPLE)
    if name := by_mark(sample):
        return Found(name)
    with open_file() as file:
        if _reads(file, "utf-8"):
            return Found("utf-8")
    with open_file() as file:
        lines = list(_odd_lines(file))
    texts = {name: text for name in _OLD if (text := _read(lines, name)) is not None}
    plausible = {name: text for name, text in texts.items() if is_plausible(text) and not _is_foreign(text, name)}
    plausible = {name: text for name, text in plausible.items() if name not in _RARE} or plausible
    ranked = sorted(plausible, key=lambda name: -_likelihood(plausible[name], name))
    for name in ranked:
        with open_file() as file:
            if _reads(file, name):
                return Found(name, _guesses([name, *(other for other in ranked if other != name)], plausible))
    raise _no_encoding(lines, open_file)


def by_mark(sample: bytes) -> str | None:
    """The encoding that the first bytes tell. Raises PermanentError for what is no text."""
    for bom, name in _BOMS:
        if sample.startswith(bom):
            return name
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    # Beside the letters of any language a table has separators and line ends, each of them with a zero byte.
    if max(even, odd) > max(1, len(sample) // 64):
        if odd > 4 * even:
            return "utf-16-le"
        if even > 4 * odd:
            return "utf-16-be"
    if even or odd:
        raise PermanentError("This is no text: it holds zero bytes. Expected CSV, as UTF-8 at best.")
    return None


def has_mark_within(open_file: Callable[[], IO[bytes]], encoding: str) -> bool:
    """Whether a mark of a text's start may stand in its midst."""
    if not encoding.startswith("utf-8"):
        return True
    with open_file() as file:
        last = file.read(len(codecs.BOM_UTF8))[1:]
        for chunk in iter(lambda: file.read(CHUNK), b""):
            if codecs.BOM_UTF8 in last + chunk:
                return True
            last = chunk[-2:]
    return False


def _reads(file: IO[bytes], encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for chunk in iter(lambda: file.read(CHUNK), b""):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _odd_lines(file: IO[bytes]) -> Iterator[bytes]:
    found = 0
    for line in iter(lambda: file.readline(SAMPLE), b""):
        if not line.isascii():
            yield line
            found += 1
            if found == _JUDGED:
                return


def _read(lines: Iterable[bytes], encoding: str) -> list[str] | None:
    try:
        return [line.decode(encoding) for line in lines]
    except UnicodeDecodeError:
        return None


def is_plausible(lines: Iterable[str]) -> bool:
    """Whether a language could look so."""
    return all(map(_is_plausible, lines))


def _is_plausible(line: str) -> bool:
    return not any(_is_odd_sign(line, at) for at, sign in enumerate(line) if sign > "\x7f") and all(
        _is_word(word) for word in _WORD.findall(line) if not word.isascii()
    )


def _is_odd_sign(line: str, at: int) -> bool:
    """Whether a sign is one that no table holds, or stands where only a letter could."""
    sign = line[at]
    category = unicodedata.category(sign)
    if category in ("Cc", "Co", "Cn", "Cs"):  # controls, private ones
        return True
    if 0x2B0 <= ord(sign) < 0x300 or 0x2500 <= ord(sign) < 0x25A0:  # bare accents, frames
        return True
    if category[0] == "M" and at and line[at - 1].isalpha():
        return _script(sign) != _script(line[at - 1])
    if category[0] in "LMZ" or sign in _BETWEEN:
        return False
    follows, leads = line[at - 1 : at].isalpha() if at else False, line[at + 1 : at + 2].isalpha()
    return (follows and (leads or sign not in _AT_END)) or (leads and sign not in _AT_START)


@cache
def _script(letter: str) -> str:
    place = ord(letter)
    return next(
        (name for name, first, last in _SCRIPTS if first <= place <= last), "LATIN" if place < 0x2000 else "HAN"
    )


def _is_word(word: str) -> bool:
    scripts = {_script(letter) for letter in word}
    if len(scripts) > 1 and not scripts <= {"HAN", "KANA"}:
        return False
    pairs = pairwise(word)
    if any(after.isupper() and not after.isascii() and before.islower() for before, after in pairs):
        return False
    if word[0].islower() and word[1:].isupper() and len(word) > 1:
        return False
    return scripts != {"LATIN"} or not re.search(r"[^\x00-\x7f]{4}", word)


def _is_foreign(lines: list[str], encoding: str) -> bool:
    """Whether most letters are none of the languages that an encoding is for: "Jörg Köln, Zoė" is not Lithuanian."""
    if encoding != "cp1257":
        return False
    letters = [letter.lower() for line in lines for letter in line if letter > "\x7f" and letter.isalpha()]
    return sum(letter in _BALTIC for letter in letters) * 2 < len(letters)


def _likelihood(lines: list[str], encoding: str) -> float:
    """The share of letters that are frequent ones where this encoding is used."""
    letters = [letter for line in lines for letter in line if letter > "\x7f" and letter.isalpha()]
    if not letters:
        return 0
    if encoding in _HAN:
        share = sum(_is_frequent_han(letter, encoding) for letter in letters) / len(letters)
        return share + 0.05 if share == 1 else share  # which is no accident
    return sum(letter.lower() in _FREQUENT for letter in letters) / len(letters)


def _is_frequent_han(letter: str, encoding: str) -> bool:
    """Whether it is of the first of the two levels that the standards of East Asia put characters into."""
    first = letter.encode(encoding)[0]
    low, high = {
        "gb18030": (0xB0, 0xD7), "big5hkscs": (0xA4, 0xC6), "cp932": (0x82, 0x97), "euc_jp": (0xA4, 0xCF),
        "cp949": (0xB0, 0xC8),
    }[encoding]  # fmt: skip
    return low <= first <= high


def _guesses(names: list[str], texts: dict[str, list[str]]) -> tuple[tuple[str, str], ...]:
    """Each different reading once, with the first line in which it differs; none where there is but one."""
    readings: dict[str, str] = {}
    for name in names:
        readings.setdefault("\n".join(texts[name]), name)
    if len(readings) < 2:
        return ()
    places = zip(*(texts[name] for name in readings.values()), strict=True)
    at = next(at for at, lines in enumerate(places) if len(set(lines)) > 1)
    return tuple((name, " ".join(texts[name][at].split())[:80]) for name in readings.values())


def _no_encoding(lines: list[bytes], open_file: Callable[[], IO[bytes]]) -> PermanentError:
    with open_file() as file:
        number = next(number for number, line in enumerate(file, start=1) if not line.isascii())
    byte = next(byte for byte in lines[0] if byte > 0x7F)
    return PermanentError(
        f"Line {number}: byte 0x{byte:02X} makes no word in any encoding that is known here. Choose the encoding, or "
        "save the file as UTF-8 and upload it again."
    )
