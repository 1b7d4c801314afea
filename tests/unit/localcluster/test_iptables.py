"""What a cluster put into the packet filter goes, what others put there stays."""

from __future__ import annotations

from localcluster.iptables import chains, removal

DUMP = """\
*filter
:INPUT ACCEPT [10:20]
:DOCKER - [0:0]
:KUBE-FIREWALL - [0:0]
:KUBE-SERVICES - [0:0]
-A INPUT -j KUBE-FIREWALL
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
-A INPUT -m comment --comment "says -j DOCKER in a comment" -j KUBE-SERVICES
-A KUBE-FIREWALL -j KUBE-SERVICES
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:CNI-28ef41d7eb8d - [0:0]
-A PREROUTING -s 10.244.0.2/32 -g CNI-28ef41d7eb8d
COMMIT
*mangle
:PREROUTING ACCEPT [0:0]
COMMIT
"""


def test_only_chains_of_a_cluster_are_seen() -> None:
    assert chains(DUMP) == {"KUBE-FIREWALL", "KUBE-SERVICES", "CNI-28ef41d7eb8d"}


def test_rules_that_lead_to_a_chain_go_before_the_chain() -> None:
    assert removal(DUMP, keep=()).splitlines() == [
        "*filter",
        "-D INPUT -j KUBE-FIREWALL",
        '-D INPUT -m comment --comment "says -j DOCKER in a comment" -j KUBE-SERVICES',
        "-F KUBE-FIREWALL",
        "-F KUBE-SERVICES",
        "-X KUBE-FIREWALL",
        "-X KUBE-SERVICES",
        "COMMIT",
        "*nat",
        "-D PREROUTING -s 10.244.0.2/32 -g CNI-28ef41d7eb8d",
        "-F CNI-28ef41d7eb8d",
        "-X CNI-28ef41d7eb8d",
        "COMMIT",
    ]


def test_chains_from_before_the_cluster_stay_with_the_rules_that_lead_to_them() -> None:
    script = removal(DUMP, keep={"CNI-28ef41d7eb8d"})
    assert "CNI" not in script
    assert "*nat" not in script


def test_a_clean_dump_needs_no_removal() -> None:
    assert removal("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j ACCEPT\nCOMMIT\n", keep=()) == ""
