"""Where a store may be: not on a network file system, by what Linux and macOS tell of their mounts."""

import subprocess
from pathlib import Path

import pytest

from yamlgen.errors import Code
from yamlgen.store import location

MACOS = """\
/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)
devfs on /dev (devfs, local, nobrowse)
map auto_home on /System/Volumes/Data/home (autofs, automounted, nobrowse)
//me@nas._smb._tcp.local/share on /Volumes/share (smbfs, nodev, nosuid, mounted by me)
nas:/export/a on /Volumes/My Disk (1) (nfs, nodev, nosuid)
"""


def mounted(monkeypatch, tmp_path, *lines):
    """Have Linux tell these mounts: (point, kind)."""
    table = tmp_path / "mountinfo"
    told = ["21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw"]
    told += [f"36 21 0:{number} / {point} rw shared:2 - {kind} what rw" for number, (point, kind) in enumerate(lines)]
    table.write_text("\n".join(told) + "\n", "utf-8")
    monkeypatch.setattr(location, "_MOUNTS", table)


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "lustre", "ceph"])
def test_a_network_file_system_is_refused_with_a_way_out(kind, small, call, monkeypatch, tmp_path_factory):
    """A store beside a pipeline on a network file system is refused before anything is sent; `--store` helps."""
    mounted(monkeypatch, tmp_path_factory.mktemp("proc"), (small, kind))
    told = call("run", "small.yaml", "--simulate")
    assert told.code == 3
    error, hint, _ = told.err.splitlines()
    assert (
        error == f"error[{Code.STORE_PLACE}]: the store cannot be in .yamlgen: it is on a network file system ({kind})"
    )
    assert hint == "  = choose a folder on a local disk with `--store PATH`"
    elsewhere = tmp_path_factory.mktemp("disk") / "store"
    assert call("run", "small.yaml", "--simulate", "-q", "--store", elsewhere).code == 0
    assert location.location_of(small / "small.yaml", elsewhere, simulated=True).database.exists()


def test_the_nearest_mount_decides(monkeypatch, tmp_path):
    """A disk that is mounted below a network file system is a disk, and the other way round."""
    mounted(monkeypatch, tmp_path, ("/srv", "nfs4"), ("/srv/scratch", "xfs"), ("/srv/scratch/home", "cifs"))
    kinds = {
        path: location.network_kind(Path(path)) for path in ("/a", "/srv/a", "/srv/scratch/a", "/srv/scratch/home")
    }
    assert kinds == {"/a": None, "/srv/a": "nfs4", "/srv/scratch/a": None, "/srv/scratch/home": "cifs"}


def test_the_last_mount_of_a_point_is_the_one_that_is_seen(monkeypatch, tmp_path):
    """What is mounted over another file system hides it."""
    mounted(monkeypatch, tmp_path, ("/srv", "ext4"), ("/srv", "nfs"))
    assert location.network_kind(Path("/srv/a")) == "nfs"


@pytest.mark.parametrize(
    ("written", "path"), [(r"/mnt/my\040disk", "/mnt/my disk"), ("/mnt/données", "/mnt/données"), (r"/a\134b", r"/a\b")]
)
def test_names_are_read_as_the_kernel_writes_them(written, path, monkeypatch, tmp_path):
    """Spaces and backslashes of a mount point are escaped, letters of any alphabet are not."""
    mounted(monkeypatch, tmp_path, (written, "nfs"))
    assert location.network_kind(Path(path) / "store") == "nfs"


def test_a_link_leads_to_where_it_leads(monkeypatch, tmp_path):
    """A folder that is a link to a network file system is on it."""
    (tmp_path / "share").mkdir()
    (tmp_path / "link").symlink_to("share")
    mounted(monkeypatch, tmp_path, (tmp_path / "share", "nfs"))
    assert location.network_kind(tmp_path / "link") == "nfs"


def macos(monkeypatch, answer):
    """Be a machine without `/proc` whose `mount` answers so."""
    monkeypatch.setattr(location, "_MOUNTS", Path("/nowhere/mountinfo"))
    monkeypatch.setattr(location.subprocess, "run", answer)


def test_macos_tells_its_mounts_by_a_program(monkeypatch):
    """The output of macOS's `mount` is understood, spaces and brackets in names too."""
    macos(monkeypatch, lambda command, **_: subprocess.CompletedProcess(command, 0, MACOS, ""))
    paths = ("/a", "/Volumes/share/a", "/Volumes/My Disk (1)/a", "/dev/a")
    assert [location.network_kind(Path(path)) for path in paths] == [None, "smbfs", "nfs", None]


def test_a_machine_that_does_not_tell_its_mounts_is_trusted(monkeypatch):
    """Where nobody tells what is mounted, a store may be anywhere."""

    def missing(*_, **__):
        raise FileNotFoundError("/sbin/mount")

    macos(monkeypatch, missing)
    assert location.network_kind(Path("/a")) is None


def test_a_folder_that_cannot_be_made_is_one_sentence(small, call):
    """Where a file stands in the way of the folder, that is said, with `--store` as the way out."""
    (small / ".yamlgen").write_text("a file")
    told = call("run", "small.yaml", "--simulate")
    assert (told.code, told.err.count("error[")) == (3, 1)
    assert f"error[{Code.STORE_PLACE}]: cannot create the store in .yamlgen" in told.err
    assert "--store PATH" in told.err
