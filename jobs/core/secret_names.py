"""Which names stand for a secret: of parameters, keys, headers, fields of a query.

A name is split into its words (`newPassword2`, `X-Api-Key`, `db_pwd`), since a search for letters alone finds `pass`
in `passenger` and `auth` in `author`.
"""

import re
from functools import lru_cache
from itertools import pairwise

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_]+")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Words that make every name that they stand in a secret's.
_SECRET_WORDS = _words(
    """
    password passwords passwd passphrase passcode passkey passwort kennwort pwd pswd pword psw pw secret secrets
    token tokens jwt jwts dsn auth oauth authorization authentication bearer cookie cookies cred creds credential
    credentials otp totp mfa pin cvv cvc csrf xsrf apikey apikeys accesskey secretkey privatekey sessionid sessionkey
    sessid phpsessid jsessionid sid sig hmac keytab pkcs pem pfx basicauth httpauth userauth webhookurl htpasswd
    mnemonic
    """
)
#: What a secret's word is written together with: `dbpassword`, `mysecretvalue`, `authtoken`.
_WITHIN_WORD = re.compile(
    r"passwor[dt]|passwd|passphrase|(?:api|access|private|secret|signing|encryption)keys?$|tokens?$"
    r"|secret(?!ar|ion|ive|e)|credential|authorization|(?:cookie|sessionid|pwd)s?$"
)
#: Words before `key` or `keys` that make it one to keep: `key` alone is any dictionary's.
_KEYS_OF = _words(
    """
    api app access account private secret signing sign encryption encrypt decryption ssh shared master service auth
    session hmac crypto cipher storage deploy license licence webhook rsa aes tls ssl gpg pgp host client server
    consumer subscription
    """
)
#: Words in which `pass` at the end is no password; `pass` itself counts only as the last word (`pass_count`).
_NO_PASS = _words("bypass compass encompass overpass surpass trespass underpass")
#: A name that ends or begins with these tells something about a secret and not the secret: `token_count`, `max_tokens`.
_ABOUT_LAST = _words("count counts length limit limits size type types method policy ttl expiry")
_ABOUT_FIRST = _words("max min num number total count completion prompt")


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether what has this name is to be kept from people who look."""
    words = [word.lower() for word in _WORD.findall(name[:200])]
    if not words or (len(words) > 1 and (words[-1] in _ABOUT_LAST or words[0] in _ABOUT_FIRST)):
        return False
    if any(word in _SECRET_WORDS or _WITHIN_WORD.search(word) for word in words):
        return True
    if words[-1].endswith("pass") and words[-1] not in _NO_PASS:
        return True
    return any(
        (last in ("key", "keys") and first in _KEYS_OF)
        or (first == "pass" and last in ("word", "phrase", "wd", "code"))
        or (first == "session" and last == "id")
        or (first == "connection" and last == "string")
        or last == "signature"  # of a signed address; alone it is a mail's, or Celery's
        for first, last in pairwise(words)
    )
