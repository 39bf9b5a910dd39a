"""What is masked where people look, and what is not."""

import json
import time

import pytest

from jobs.core.redaction import MASK, holds_mask, masked
from jobs.core.secret_names import is_secret_name

SECRET_NAMES = """
    password Password PASSWORD password1 new_password2 newPassword2 old-password userPassword dbpassword password_hash
    passwd passphrase pass_phrase pass db_pass DB_PASS userpass pwd db_pwd Pwd pw passcode secret secrets client_secret
    clientSecret mysecretvalue SECRET_KEY token tokens access_token accessToken AccessToken refreshToken id_token
    authtoken csrfmiddlewaretoken X-CSRFToken token_value api_key apikey apiKey APIKey api-key X-Api-Key x_api_key
    X-API-KEY private_key privateKey privatekey ssh_key aws_access_key_id secret_access_key AWS_SECRET_ACCESS_KEY
    signingKey encryption_key credential credentials awsCredentials authorization Authorization Proxy-Authorization
    auth basic_auth basicAuth X-Auth oauth oauth2 jwt jwt2 dsn SENTRY_DSN sentryDsn cookie cookies Cookie Set-Cookie
    session_id sessionid pin cvv otp X-Amz-Signature connection_string
""".split()  # noqa: SIM905
PLAIN_NAMES = """
    author authors authority authorName coauthor keyboard key keys primary_key foreign_key sort_key tokenize
    tokenize_count token_count max_tokens total_tokens passenger passengers compass bypass pass_count passed passive
    class classes monkey turkey hockey secretary secretariat user username email url name title count opinion pinned
    spinning cookieless dsname authored path public_key_note auth_type compassionate keyword hotkey signature
""".split()  # noqa: SIM905


@pytest.mark.parametrize("name", SECRET_NAMES)
@pytest.mark.parametrize("value", ["hunter2", 1234, 0, 1.5, {"a": 1}, b"hunter2"])
def test_whatever_has_a_secrets_name_is_masked(name, value):
    assert is_secret_name(name)
    assert masked({"deep": [{name: value}]}) == {"deep": [{name: MASK}]}


@pytest.mark.parametrize("name", PLAIN_NAMES)
def test_names_that_only_resemble_one_are_not(name):
    for value in ("hunter2", 1234, {"a": 1}):
        assert masked({name: value}) == {name: value}


@pytest.mark.parametrize("nothing", [None, "", True, False, {}, []])
def test_that_a_secret_is_missing_is_told(nothing):
    assert masked({"password": nothing}) == {"password": nothing}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"tokens": ["a", 2]}, {"tokens": [MASK, MASK]}),
        ([["password", "hunter2"], ["user", "bob"]], [["password", MASK], ["user", "bob"]]),
        ([("X-Api-Key", 5)], [["X-Api-Key", MASK]]),
        ([{"name": "api_key", "value": "hunter2"}], [{"name": "api_key", "value": MASK}]),
        ([{"name": "colour", "value": "red"}], [{"name": "colour", "value": "red"}]),
        (["--password", "hunter2", "--user", "bob"], ["--password", MASK, "--user", "bob"]),
        ({b"password": b"hunter2"}, {b"password": MASK}),
        (b"password=hunter2", f"password={MASK}"),
        (b"plain", b"plain"),
        ("encrypted:gAAAA", MASK),
    ],
)
def test_shapes(value, shown):
    assert masked(value) == shown


SECRET_TEXTS = [
    "postgres://bob:hunter2@db:5432/shop",
    "postgres://bob:hun@ter2@db/shop",
    "postgres://bob:hunter2/x@db/shop",
    "redis://:hunter2@cache:6379/0",
    "amqp://bob:hunter2@a//;amqp://bob:hunter2@b//",
    "see https://hunter2@sentry.example/4 for more",
    "https://example.com/?q=1&token=hunter2",
    "https://example.com/?q=1&api-key=hunter2&x=2",
    "https://bucket.example/f?X-Amz-Signature=hunter2",
    "host=db user=bob password=hunter2 dbname=shop",
    "host=db password='hunter2 two' dbname=shop",
    "Server=db;Uid=bob;Pwd=hunter2;",
    "Authorization: Bearer hunter2",
    "authorization: Basic hunter2",
    "curl -H 'Authorization: Token hunter2' https://example.com",
    "Bearer hunter2hunter2",
    "Cookie: sid=hunter2; theme=hunter2",
    "X-Api-Key: hunter2",
    '{"password": "hunter2", "user": "bob"}',
    '{"auth": {"user": "hunter2"}}',
    '[["password", "hunter2"]]',
    '{"inner": "{\\"password\\": \\"hunter2\\"}"}',
    'said {"password": "hunter2"} twice',
    "{'password': 'hunter2'}",
    "{'pwd': b'hunter2'}",
    "Login(user='bob', password='hunter2')",
    "mysql --password hunter2 shop",
    "mysql --password=hunter2 shop",
    "-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----",
    "eyJhbGciOi.eyJodW50ZXIy.hunter2",
]


@pytest.mark.parametrize("text", SECRET_TEXTS)
def test_secrets_within_a_text_are_masked(text):
    shown = masked({"note": text})["note"]
    assert "hunter2" not in shown and MASK in shown and holds_mask({"note": shown})
    assert masked(shown) == shown, "masking again changes nothing"


def test_an_object_that_is_told_as_text_is_masked_as_one():
    class Login:
        def __str__(self):
            return "Login(password='hunter2')"

    assert masked(Login()) == f"Login(password='{MASK}')"


@pytest.mark.parametrize(
    "text",
    [
        "https://example.com:8080/users/@me",
        "https://example.com/a?page=2&author=bob",
        "mailto:bob@example.com, bob@example.com",
        "ssh://git@example.com/repo",
        "host=db user=bob dbname=shop",
        "12:30:00, key=5, ratio: 3",
        '{"author":   "bob", "n": [1, 2.50]}',
        "The author of the keyboard has passed the token on.",
        "password=None",
        "{not json",
    ],
)
def test_a_text_without_one_stays_as_it_is(text):
    assert masked(text) == text and not holds_mask(text)


@pytest.mark.parametrize("part", ["a://b:", "a" * 50, "password=", '"', "token: ", "-- ", "eyJa.", "[", "-a ", "\\"])
def test_a_long_text_is_masked_in_time(part):
    text = part * (200_000 // len(part))
    began = time.process_time()
    masked(text)
    assert time.process_time() - began < 5


def test_masked_json_stays_json():
    assert json.loads(masked('{"n": 1, "pin": 1234}')) == {"n": 1, "pin": MASK}
