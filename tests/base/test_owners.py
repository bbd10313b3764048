"""Who else can change a file: by its owner, its mode, its group, its access list, and every folder and link on the way."""

from __future__ import annotations

import os
import pwd
import struct
from pathlib import Path

import pytest

from tuimon.base.owners import outsider, process_owner, user_name

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user: run the tests as root")
STRANGER = 54321


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file in a folder of its own, which nobody else can change."""
    file = tmp_path / "folder" / "file"
    file.parent.mkdir()
    file.write_text("")
    return file


def test_a_file_of_ones_own_in_a_folder_of_ones_own_is_nobody_elses(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though it lies below /tmp, where everybody may write; a relative path means the same."""
    assert outsider(file) == outsider(file.parent) == ""
    monkeypatch.chdir(file.parent)
    assert outsider(Path("file")) == outsider(Path("../folder/file")) == ""


@only_root
@pytest.mark.parametrize("place", ["folder", "folder/file"])
def test_what_belongs_to_another_user_is_named_with_the_user(file: Path, tmp_path: Path, place: str) -> None:
    """The file itself, and a folder in which the owner may put another in its place."""
    os.chown(tmp_path / place, STRANGER, 0)
    assert outsider(file) == f"{tmp_path / place} belongs to uid {STRANGER}"
    os.chown(tmp_path / place, 1, 0)
    assert outsider(file) == f"{tmp_path / place} belongs to {pwd.getpwuid(1).pw_name}"


@pytest.mark.parametrize(("place", "mode"), [("folder", 0o777), ("folder/file", 0o666), ("folder/file", 0o602)])
def test_what_everybody_may_write_to_is_everybodys(file: Path, tmp_path: Path, place: str, mode: int) -> None:
    """The file itself, and a folder."""
    (tmp_path / place).chmod(mode)
    assert outsider(file) == f"{tmp_path / place} can be changed by everybody"


def test_a_sticky_folder_is_harmless_on_the_way_and_not_as_the_target(file: Path) -> None:
    """As in /tmp: what is one's own there, nobody else can replace; but anybody can add to the folder."""
    file.parent.chmod(0o1777)
    assert outsider(file) == ""
    assert outsider(file.parent) == f"{file.parent} can be changed by everybody"


@only_root
def test_a_group_counts_only_when_it_has_other_members(file: Path) -> None:
    """With umask 002 everything is writable by a group that is the user's alone."""
    file.chmod(0o664)
    assert outsider(file) == ""
    daemon = next(user for user in pwd.getpwall() if user.pw_name == "daemon")
    os.chown(file, 0, daemon.pw_gid)
    assert outsider(file) == f"{file} can be changed by the group daemon"
    os.chown(file, 0, STRANGER)
    assert outsider(file) == f"{file} can be changed by the group {STRANGER}", "which may have members elsewhere"


def test_an_access_list_that_lets_others_write_counts(file: Path) -> None:
    """Its mask shows as the group's bits, and the group says nothing then."""
    user_obj, user, group_obj, mask, other, nobody = 1, 2, 4, 16, 32, 0xFFFFFFFF
    entries = [(user_obj, 6, nobody), (user, 6, STRANGER), (group_obj, 4, nobody), (mask, 6, nobody), (other, 4, nobody)]
    try:
        os.setxattr(file, "system.posix_acl_access", struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *e) for e in entries))
    except (AttributeError, OSError) as error:
        pytest.skip(f"access lists cannot be set here: {error}")
    assert outsider(file) == f"{file} can be changed by those whom its access list names"


def test_who_can_change_a_link_decides_what_it_means(file: Path, tmp_path: Path) -> None:
    """A link in a folder that others may write to, and one into such a folder; `..` is meant from where the link leads."""
    others = tmp_path / "others"
    others.mkdir(mode=0o777)
    others.chmod(0o777)
    (others / "in").symlink_to(file)
    (tmp_path / "into").symlink_to(others)
    (tmp_path / "good").symlink_to("folder")
    assert outsider(others / "in") == outsider(tmp_path / "into" / "in") == f"{others} can be changed by everybody"
    assert outsider(tmp_path / "good" / "file") == outsider(tmp_path / "good" / ".." / "folder" / "file") == ""
    assert outsider(tmp_path / "into" / ".." / "folder" / "file").startswith(str(others))


@only_root
def test_a_link_in_a_sticky_folder_is_its_owners(file: Path) -> None:
    """Anybody can have put it there."""
    file.parent.chmod(0o1777)
    link = file.parent / "link"
    link.symlink_to(file)
    assert outsider(link) == ""
    os.chown(link, STRANGER, STRANGER, follow_symlinks=False)
    assert outsider(link) == f"{link} belongs to uid {STRANGER}"


def test_links_in_a_circle_are_an_error_and_so_is_what_is_not_there(tmp_path: Path) -> None:
    """As the kernel has it."""
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links"):
        outsider(tmp_path / "a")
    with pytest.raises(FileNotFoundError):
        outsider(tmp_path / "none")


def test_a_process_is_its_users() -> None:
    """None for no process; a user without a name is a number."""
    assert process_owner(os.getpid()) == os.geteuid()
    assert process_owner(2**22 + 1) is None
    assert user_name(0) == "root" and user_name(STRANGER) == f"uid {STRANGER}"
