"""Whether a Docker engine answers, and whether the tests may do without one."""

from __future__ import annotations

import functools
import os


def required(what: str) -> bool:
    """Whether ATLAS_REQUIRE (comma-separated: browser, docker) makes a missing `what` a failure, not a skip."""
    return what in {word.strip() for word in os.environ.get("ATLAS_REQUIRE", "").split(",")}


@functools.cache
def engine_answers() -> bool:
    """Whether a Docker engine is there and may be used."""
    import docker
    from docker.errors import DockerException

    try:
        client = docker.from_env(timeout=5)
    except DockerException:
        return False
    try:
        return bool(client.ping())
    except (DockerException, OSError):
        return False
    finally:
        client.close()


def wanted() -> bool:
    """Whether the servers of the tests are containers: where an engine answers, or has to.

    ATLAS_TEST_SERVERS=embedded or =docker forces the choice.
    """
    choice = os.environ.get("ATLAS_TEST_SERVERS", "")
    if choice:
        return choice == "docker"
    if engine_answers():
        return True
    assert not required("docker"), "ATLAS_REQUIRE=docker, but no Docker engine answers: start one, or set DOCKER_HOST."
    return False
