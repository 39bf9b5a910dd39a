"""docker-compose.yml is one by the Compose specification, and names commands that this project has."""

import json
import re
from pathlib import Path

import pytest
import yaml
from compose_spec import PyCompose
from django.core.management import get_commands

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
SERVICES = yaml.safe_load(TEXT)["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "jobsite"}


def parsed(text):
    """By way of JSON: the parser does not know YAML's merge keys, Compose does."""
    return PyCompose.from_json(json.dumps(yaml.safe_load(text)))


def test_it_holds_to_the_compose_specification():
    # compose-spec is a parser of the whole specification: it refuses unknown keys, words, durations.
    assert set(parsed(TEXT).service_names()) == set(SERVICES)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("healthcheck:", "healthchecks:"), ("service_healthy", "healthy"), ("interval: 10s", "interval: ten")],
)
def test_the_check_itself_refuses_mistakes(right, wrong):
    with pytest.raises(ValueError):
        parsed(TEXT.replace(right, wrong))


@pytest.mark.parametrize("name", OURS)
def test_each_command_is_one_of_this_project(name):
    python, manage, command, *_ = OURS[name]["command"]
    assert (python, manage) == ("python", "manage.py")
    assert get_commands()[command] == "jobs"


def test_the_processes_are_those_of_make_up():
    from jobs.supervisor.site import programs

    by_hand = {tuple(program.argv[2:]) for program in programs(None)} - {("mailcatcher",)}
    assert {tuple(service["command"][2:]) for service in OURS.values()} - {("prepare",)} == by_hand


def test_all_wait_for_the_tables_and_for_redis():
    for name in OURS.keys() - {"prepare"}:
        waits = {other: how["condition"] for other, how in OURS[name]["depends_on"].items()}
        assert waits == {"prepare": "service_completed_successfully", "redis": "service_healthy"}, name
    assert OURS["prepare"]["depends_on"]["db"]["condition"] == "service_healthy"


def test_redis_keeps_what_it_took():
    command = " ".join(SERVICES["redis"]["command"])
    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command
    assert "--requirepass" in command


def test_the_database_is_healthy_only_once_it_answers_over_the_network():
    # While it is set up for the first time, a temporary server answers on the unix socket alone.
    test = SERVICES["db"]["healthcheck"]["test"]
    assert test[:2] == ["CMD", "pg_isready"] and test[test.index("-h") + 1] == "127.0.0.1"


def test_what_must_be_set_is_in_the_example():
    needed = set(re.findall(r"\$\{(\w+)", TEXT))
    offered = set(re.findall(r"^(\w+)=", (ROOT / ".env.example").read_text(), re.M))
    assert needed == offered


def test_the_environment_is_what_the_settings_read():
    read = set(re.findall(r'env\(\s*"(\w+)"', (ROOT / "jobsite" / "settings.py").read_text()))
    for name, service in OURS.items():
        assert service["environment"].keys() - {"JOBSITE_ADMIN_PASSWORD"} <= read, name
