"""The object store as boto3 gives it: listed and read, and what it says when it does not let us."""

from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws
from pydantic import ValidationError

from drill import object_store
from drill.cluster import Permission
from drill.object_store import ObjectMissingError, ObjectStore, ObjectStoreError, ObjectStoreRefusedError
from drill.settings import ContextSettings, ObjectStoreTarget, SecretKey, Settings

TARGET = ObjectStoreTarget(
    bucket="velero",
    access_key=SecretKey(name="minio", key="access-key"),
    secret_key=SecretKey(name="minio", key="secret-key"),
)


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    """A bucket of more objects than one page of a listing has."""
    with mock_aws():
        s3 = object_store.client(TARGET, "a", "b")
        s3.create_bucket(Bucket="velero")
        for number in range(1003):
            s3.put_object(Bucket="velero", Key=f"backups/{number:04}", Body=b"x" * (number % 3))
        yield ObjectStore(TARGET, s3)


def test_all_pages_of_a_listing_are_there(store: ObjectStore) -> None:
    """All pages of a listing are there, with sizes and the ETag as an MD5."""
    found = list(store.listed("backups/"))
    assert [each.key for each in found] == [f"backups/{number:04}" for number in range(1003)]
    assert found[1].size == 1
    assert found[1].etag == "9dd4e461268c8034f5c8564e155c67a6"
    assert store.read("backups/0002") == b"xx"


def test_a_part_of_an_object_is_read_alone(store: ObjectStore) -> None:
    """So many bytes from an offset on; an object that ends before has fewer."""
    store.s3.put_object(Bucket="velero", Key="part", Body=b"0123456789")
    assert store.read_part("part", 3, 4) == b"3456"
    assert store.read_part("part", 8, 4) == b"89"
    with pytest.raises(ObjectMissingError):
        store.read_part("other", 0, 4)


def test_what_is_not_there_is_told_apart(store: ObjectStore) -> None:
    """A bucket or an object that is not there is no refusal."""
    with pytest.raises(ObjectMissingError):
        list(store.listed("", "other"))
    with pytest.raises(ObjectMissingError):
        store.read("backups/other")


@pytest.mark.parametrize("code", ["InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied", "403"])
def test_wrong_keys_are_told_apart(code: str) -> None:
    """Wrong keys are a refusal, not an absence."""
    from botocore.exceptions import ClientError  # noqa: PLC0415 - only here

    with pytest.raises(ObjectStoreRefusedError), object_store.answering("it"):
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, "ListObjectsV2")


def test_a_store_that_does_not_answer_is_neither() -> None:
    """A store that does not answer neither refuses nor lacks anything."""
    target = TARGET.model_copy(update={"endpoint": "http://127.0.0.1:9"})
    with pytest.raises(ObjectStoreError) as told:
        list(ObjectStore(target, object_store.client(target, "a", "b")).listed())
    assert not isinstance(told.value, ObjectStoreRefusedError | ObjectMissingError)


def test_the_keys_come_from_their_secrets() -> None:
    """Both keys come from the Secret that the settings name."""
    asked = []

    class Asked:
        def secret(self, *which: str) -> str:
            asked.append(which)
            return which[-1]

    cluster: Any = Asked()
    settings = Settings(context="here", contexts={"here": ContextSettings(object_store=TARGET)})
    ObjectStore.connect(settings, cluster)
    assert asked == [("minio", "minio", "access-key"), ("minio", "minio", "secret-key")]
    assert object_store.permissions(TARGET) == (Permission("get", "secrets", "minio", name="minio"),)


def test_one_key_alone_is_a_mistake() -> None:
    """One key alone opens nothing."""
    with pytest.raises(ValidationError, match="go together"):
        ObjectStoreTarget(bucket="velero", access_key=SecretKey(name="minio"))
