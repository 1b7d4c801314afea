"""What the platform gives each pod that the operator makes: user ids, proxies, and the authorities of certificates.

None of it is part of a revision: pods that run keep what they began with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

USER: Final = 65532
"""As in the images."""
PROXY_VARIABLES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
AUTHORITY_VARIABLES: Final = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE")
"""Where OpenSSL (and so Python, Go and curl), requests and the clients of S3 look for authorities."""
AUTHORITIES_DIR: Final = "/etc/viridian/authorities"
_VOLUME: Final = "viridian-authorities"


@dataclass(frozen=True, slots=True)
class PodPlatform:
    """Settings of the operator about pods of models and of stages."""

    # With which id they run, and the group of their files; None: the platform assigns ids, as OpenShift does.
    user: int | None = USER
    # Variable and value.
    proxies: tuple[tuple[str, str], ...] = ()
    # ConfigMap, in the namespace of each pod, and its key with all authorities that pods trust.
    authorities: tuple[str, str] | None = None

    def ids(self) -> dict[str, int]:
        """Of a pod's securityContext."""
        return {} if self.user is None else {"runAsUser": self.user, "runAsGroup": self.user, "fsGroup": self.user}

    def files_group(self) -> dict[str, Any]:
        """By which containers that do not run as root can write to a volume."""
        return {} if self.user is None else {"fsGroup": self.user, "fsGroupChangePolicy": "OnRootMismatch"}

    def container(self, *, proxies: bool) -> dict[str, Any]:
        """The variables and mounts of a container; `proxies`: whether it calls what is outside of the cluster."""
        environment = [{"name": name, "value": value} for name, value in self.proxies] if proxies else []
        if self.authorities is None:
            return {"env": environment, "volumeMounts": []}
        file = f"{AUTHORITIES_DIR}/{self.authorities[1]}"
        return {
            "env": [*environment, *({"name": name, "value": file} for name in AUTHORITY_VARIABLES)],
            "volumeMounts": [{"name": _VOLUME, "mountPath": AUTHORITIES_DIR, "readOnly": True}],
        }

    def volumes(self) -> list[dict[str, Any]]:
        """Optional: without the ConfigMap a container reports which certificate it cannot verify; a pod would wait."""
        if self.authorities is None:
            return []
        name, key = self.authorities
        source = {"name": name, "items": [{"key": key, "path": key}], "optional": True}
        return [{"name": _VOLUME, "configMap": source}]


OWN_USER: Final = PodPlatform()
"""Where nothing was set."""


def given_proxies(environment: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Those that the operator itself was given, in upper or lower case."""
    found = ((name, environment.get(name) or environment.get(name.lower(), "")) for name in PROXY_VARIABLES)
    return tuple((name, value) for name, value in found if value)
