"""A build sees where packages come from, and no path of the computer that means nothing inside."""

from __future__ import annotations

from pathlib import Path

from localcluster.pipsettings import CA_INSIDE, for_uv, render, uv_assignments


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


def test_uv_takes_packages_from_where_pip_does(tmp_path: Path) -> None:
    lines = [
        "global.index-url='https://a/simple'",
        "global.extra-index-url='https://b/simple\\nhttps://c/simple'",
        ":env:.default-timeout='180'",
        f":env:.find-links='{tmp_path} {tmp_path}/nowhere'",
        ":env:.cert='/etc/ca.crt'",
    ]
    assert for_uv(lines) == {
        "UV_DEFAULT_INDEX": "https://a/simple",
        "UV_INDEX": "https://b/simple https://c/simple",
        "UV_FIND_LINKS": str(tmp_path),
        "UV_HTTP_TIMEOUT": "180",
    }


def test_without_settings_uv_is_told_nothing() -> None:
    assert for_uv([]) == {}


def test_a_build_tells_uv_the_same_in_assignments_that_a_shell_reads(tmp_path: Path) -> None:
    lines = ["global.index-url='https://me:it$s@a/simple'", f":env:.find-links='{tmp_path}'"]
    text = uv_assignments(lines, with_ca=True)
    assert text == f"UV_DEFAULT_INDEX='https://me:it$s@a/simple'\nSSL_CERT_FILE={CA_INSIDE}\n"
    assert uv_assignments([], with_ca=False) == ""
