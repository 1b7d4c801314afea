"""The flags about what is served and trained, and about the pods that do it."""

from __future__ import annotations

from viridian import __version__
from viridian.controller.flag_group import FlagGroup
from viridian.controller.flag_values import config_map_key, pod_user, selector, spot_node, stage_resource, switch
from viridian.controller.service_flags import service_flags
from viridian.core.pod_platform import USER


def serving_flags(group: FlagGroup) -> None:
    """Which objects are served, by which images, and what pods are given."""
    group.repeated(
        "--namespace",
        "serve this namespace only; may be given several times. Without it, all namespaces are served "
        "[VIRIDIAN_NAMESPACE]",
        metavar="NAME",
        dest="namespaces",
    )
    group.add(
        "--selector",
        "serve only ModelDeployments and RetrainPolicies with these labels, as kubectl takes them: team=ads, or "
        "'team notin (ads, search)'",
        metavar="SELECTOR",
        type=selector,
    )
    group.add(
        "--server-image",
        "image of the model server",
        default=f"viridian/server:{__version__}",
        metavar="IMAGE",
        dest="server_image",
    )
    _stages(group)
    group.repeated(
        "--image-pull-secret",
        "Secret with which the pods of models and training Jobs pull their images; it has to be there, by this name, "
        "in each of their namespaces; may be given several times [VIRIDIAN_IMAGE_PULL_SECRET]",
        metavar="NAME",
        dest="image_pull_secrets",
    )
    group.add(
        "--pod-user",
        "number of the user with which the pods of models run, and of the group of their files; or the word assigned "
        "where the platform assigns both, as OpenShift does",
        default=str(USER),
        metavar="UID|assigned",
        type=pod_user,
    )
    group.add(
        "--ca-bundle",
        "CONFIGMAP/KEY with all authorities of certificates that the pods of models and training Jobs trust; it has to "
        "be there, by this name, in each of their namespaces",
        metavar="CONFIGMAP/KEY",
        type=config_map_key,
    )
    group.add(
        "--gateway-api",
        "on or off: whether a ModelDeployment may ask for spec.traffic.provider Gateway. The cluster needs the Gateway "
        "API, and the operator rights to HTTPRoutes and Gateways",
        default="off",
        metavar="on|off",
        type=switch,
    )
    service_flags(group)


def _stages(group: FlagGroup) -> None:
    group.add(
        "--trainer-image",
        "image in which the built-in stages of a run work",
        default=f"viridian/trainer:{__version__}",
        metavar="IMAGE",
        dest="trainer_image",
    )
    group.repeated(
        "--stage-resource",
        "GROUP/VERSION/PLURAL=KIND: objects that may do the work of a stage beside Jobs, such as "
        "ray.io/v1/rayjobs=RayJob; the operator needs the rights get, create, patch and delete; may be given several "
        "times [VIRIDIAN_STAGE_RESOURCE]",
        metavar="RESOURCE=KIND",
        dest="stage_resources",
        type=stage_resource,
    )
    group.repeated(
        "--spot-nodes",
        "KEY=VALUE: label of spot nodes, and their taint, for stages with spot: true; may be given several times. "
        "Without it, the labels of GKE, AKS, EKS and Karpenter [VIRIDIAN_SPOT_NODES]",
        metavar="KEY=VALUE",
        dest="spot_nodes",
        type=spot_node,
    )
