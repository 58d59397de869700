"""Whether a Docker engine answers, and whether the tests may do without one."""

from __future__ import annotations

import functools
import os

IMAGES = ("postgres:17", "nats:2.15")
REAPER = "testcontainers/ryuk"
"""Testcontainers' own container that removes others after a crash. Where its image is missing we do without."""


def required(what: str) -> bool:
    """Whether ATLAS_REQUIRE (comma-separated: browser, docker, node) makes a missing `what` a failure, not a skip."""
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


@functools.cache
def _local_images() -> frozenset[str]:
    """Tags of the images that the engine has already."""
    import docker

    client = docker.from_env(timeout=5)
    try:
        return frozenset(tag for image in client.images.list() for tag in image.tags)
    finally:
        client.close()


def wanted() -> bool:
    """Whether the servers of the tests are containers: where an engine has the images, or has to get them.

    ATLAS_TEST_SERVERS=embedded or =docker forces the choice.
    """
    if engine_answers() and not any(tag.startswith(REAPER) for tag in _local_images()):
        os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
    choice = os.environ.get("ATLAS_TEST_SERVERS", "")
    if choice:
        return choice == "docker"
    if engine_answers() and (required("docker") or _local_images().issuperset(IMAGES)):
        return True
    assert not required("docker"), "ATLAS_REQUIRE=docker, but no Docker engine answers: start one, or set DOCKER_HOST."
    return False
