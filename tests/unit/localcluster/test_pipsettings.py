"""A build sees where packages come from, and no path of the computer that means nothing inside."""

from __future__ import annotations

from localcluster.pipsettings import CA_INSIDE, render


def test_the_environment_wins_over_files_wherever_it_is_listed() -> None:
    listing = [":env:.index-url='https://of-the-environment/simple'", "global.index-url='https://of-a-file/simple'"]
    assert render(listing, with_ca=False) == "[global]\nindex-url = https://of-the-environment/simple\n"


def test_the_certificates_are_those_inside_the_build() -> None:
    text = render(["global.cert='/home/me/ca.crt'", ":env:.find-links='/opt/wheels'"], with_ca=True)
    assert text == f"[global]\ncert = {CA_INSIDE}\n"


def test_timeouts_given_by_either_name_are_kept() -> None:
    assert "timeout = 180" in render([":env:.default-timeout='180'"], with_ca=False)


def test_several_values_become_indented_lines() -> None:
    text = render(["install.extra-index-url='https://a/simple\\nhttps://b/simple'"], with_ca=False)
    assert text == "[global]\nextra-index-url = https://a/simple\n    https://b/simple\n"


def test_no_settings_are_a_file_without_settings() -> None:
    assert render([], with_ca=False) == "[global]\n"
