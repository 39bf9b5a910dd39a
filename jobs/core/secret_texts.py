"""Secrets within a text: passwords in addresses, `name=value` and `Name: value` pairs, bearer tokens, private keys.

Every pattern is bounded in length, so that a long text costs time in proportion to its length.
"""

import re

from jobs.core.secret_names import is_secret_name

MASK = "••••••"

#: scheme://USER:PASSWORD@ up to the last @ of the authority, since people forget to quote one in a password. What
#: looks like a port and a path is none.
_URL_PASSWORD = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]{0,30}://[^\s:/@?#]{0,300}:)(?!\d{1,5}[/?#])[^\s\"'<>]{1,500}@")
#: https://TOKEN@ of code hosts and error trackers.
_URL_TOKEN = re.compile(r"(https?://)[^\s:/@?#\"'<>]{1,500}@", re.I)
#: Authorization takes the rest of its line: a scheme and what follows it.
_HEADER = re.compile(r"(?i)((?<![\w-])(?:proxy-)?authorization[\"']?\s{0,5}[:=]\s{0,5}[\"']?)([^\s\"'][^\r\n\"']*)")
_COOKIES = re.compile(r"(?i)((?<![\w-])(?:set-)?cookie:\s{0,5})([^\s\"'][^\r\n\"']*)")
_BEARER = re.compile(r"(?i)\b(bearer\s{1,5})[\w.~+/=-]{6,}")
_JWT = re.compile(r"\beyJ[\w-]{5,}\.eyJ[\w-]{2,}\.[\w-]*")
_PRIVATE_KEY = re.compile(
    r"(-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----).*?(-----END [A-Z ]{0,30}PRIVATE KEY-----|\Z)", re.S
)
_PAIR = re.compile(
    r"""(?<![\w-])(?P<name>[\w.-]{2,80})(?P<between>(?:\\?["'])?\s{0,5}(?:=>|[:=])\s{0,5})
    (?!//)(?P<value>b?\\?"(?:[^"\\\n]|\\[^\n])*"?|b?'(?:[^'\\\n]|\\[^\n])*'?|[^\s,;&"'(){}\[\]]+)""",
    re.VERBOSE,
)
#: --password VALUE of a command line.
_OPTION = re.compile(r"(?<!\S)(--?(?P<name>[A-Za-z][\w-]{1,60})\s{1,5})(?P<value>[^\s-]\S*)")


def masked_text(text: str) -> str:
    """The text with the secrets that show themselves masked; what hides nothing stays as it is."""
    if "://" in text:
        text = _URL_PASSWORD.sub(rf"\g<1>{MASK}@", text)
        text = _URL_TOKEN.sub(rf"\g<1>{MASK}@", text)
    text = _HEADER.sub(rf"\g<1>{MASK}", text)
    text = _COOKIES.sub(rf"\g<1>{MASK}", text)
    text = _BEARER.sub(rf"\g<1>{MASK}", text)
    if "eyJ" in text:
        text = _JWT.sub(MASK, text)
    if "PRIVATE KEY" in text:
        text = _PRIVATE_KEY.sub(rf"\g<1>{MASK}\g<2>", text)
    if "-" in text:
        text = _OPTION.sub(_hidden_option, text)
    return _PAIR.sub(_hidden, text) if "=" in text or ":" in text else text


def _hidden(match: re.Match[str]) -> str:
    value = match["value"]
    if not is_secret_name(match["name"]) or MASK in value or _says_nothing(value):
        return match[0]
    quote = re.match(r"b?\\?([\"'])", value)
    around = quote[1] if quote else ""
    return f"{match['name']}{match['between']}{around}{MASK}{around}"


def _hidden_option(match: re.Match[str]) -> str:
    return f"{match[1]}{MASK}" if is_secret_name(match["name"]) else match[0]


def _says_nothing(value: str) -> bool:
    return value.lstrip("b").strip("\\\"'").lower() in ("", "none", "null", "true", "false")
