"""The buckets in the lab's MinIO: Velero's and the lakehouse's."""

import base64
import json
from pathlib import Path

from lab._addresses import node_address
from lab._errors import LabError
from lab._kubectl import kubectl

PORT = 30900
"""NodePort of MinIO."""

REGION = "us-east-1"
"""What MinIO calls itself where nothing is said."""

VELERO = "velero"
LAKEHOUSE = "lakehouse"
BUCKETS = (VELERO, LAKEHOUSE)
VERSIONED = (LAKEHOUSE,)
"""Those that keep what is deleted or written over. A backup that has expired is to be gone."""


def endpoint() -> str:
    """The URL of MinIO as seen from the host."""
    return f"http://{node_address(1)}:{PORT}"


def create_buckets(kube: Path) -> None:
    """Create those that are not there, and have the lakehouse's keep its objects' versions.

    Raises:
        LabError: MinIO refused.
    """
    # Only here: a lab without MinIO has no use for a client of it, which takes its time to load.
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    secret = json.loads(kubectl(kube, "get", "secret", "--namespace=minio", "minio", "--output=json"))["data"]
    access, key = (base64.b64decode(secret[name]).decode() for name in ("access-key", "secret-key"))
    client = boto3.client(
        "s3",
        endpoint_url=endpoint(),
        region_name=REGION,
        aws_access_key_id=access,
        aws_secret_access_key=key,
        config=Config(
            s3={"addressing_style": "path"},
            connect_timeout=5,
            read_timeout=30,
            retries={"mode": "standard", "max_attempts": 5},
            proxies={},
        ),
    )
    try:
        there = {each["Name"] for each in client.list_buckets()["Buckets"]}
        for name in BUCKETS:
            if name not in there:
                client.create_bucket(Bucket=name)
        for name in VERSIONED:
            client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    except (BotoCoreError, ClientError) as error:
        raise LabError(f"MinIO at {endpoint()} did not make the buckets: {error}") from error
    finally:
        client.close()
