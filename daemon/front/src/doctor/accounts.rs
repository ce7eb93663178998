//! Users and groups, from the files of the machine: who the service is, and what it may open.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The service's user; sysusers makes it.
pub const SERVICE_USER: &str = "forgesyted";
/// Where units lie, the one that wins last.
const UNIT_FOLDERS: [&str; 3] = ["lib/systemd/system", "usr/lib/systemd/system", "etc/systemd/system"];

/// What the service may do: its user, and the groups that user and unit give it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// The user's number.
    pub uid: u32,
    /// The number of its own group.
    pub gid: u32,
    /// The numbers of all its groups.
    pub gids: Vec<u32>,
}

/// Who may open a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permission bits.
    pub mode: u32,
}

impl Rights {
    /// Those of a file; `None` where it cannot be looked at.
    pub fn of(path: &Path) -> Option<Rights> {
        let about = fs::metadata(path).ok()?;
        Some(Rights { uid: about.uid(), gid: about.gid(), mode: about.mode() & 0o777 })
    }
}

impl Service {
    /// The service as the files below `root` describe it; `None` where its user does not exist.
    pub fn gather(root: &Path) -> Option<Service> {
        let passwd = fs::read_to_string(root.join("etc/passwd")).unwrap_or_default();
        let group = fs::read_to_string(root.join("etc/group")).unwrap_or_default();
        service(&passwd, &group, &unit_groups(root))
    }

    /// Whether it may read and write what has these rights. Access control lists are not looked at: those of devices are for
    /// who sits at the machine.
    pub fn may_use(&self, rights: Rights) -> bool {
        self.bits(rights) & 0o6 == 0o6
    }

    /// Whether it may read what has these rights.
    pub fn may_read(&self, rights: Rights) -> bool {
        self.bits(rights) & 0o4 != 0
    }

    /// The folder above a file that it may not enter.
    pub fn closed_folder(&self, file: &Path) -> Option<PathBuf> {
        let file = std::path::absolute(file).ok()?;
        let closed = |folder: &&Path| Rights::of(folder).is_some_and(|rights| self.bits(rights) & 0o1 == 0);
        file.ancestors().skip(1).filter(closed).last().map(Path::to_path_buf)
    }

    fn bits(&self, rights: Rights) -> u32 {
        if rights.uid == self.uid {
            rights.mode >> 6
        } else if self.gids.contains(&rights.gid) {
            rights.mode >> 3
        } else {
            rights.mode
        }
    }
}

/// The number of a group.
pub fn group_number(root: &Path, name: &str) -> Option<u32> {
    let text = fs::read_to_string(root.join("etc/group")).ok()?;
    fields(&text, name)?.get(2)?.parse().ok()
}

/// The name of a group, or its number where it has none.
pub fn group_name(root: &Path, gid: u32) -> String {
    let text = fs::read_to_string(root.join("etc/group")).unwrap_or_default();
    let found = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let found = found.into_iter().find(|fields| fields.get(2).and_then(|field| field.parse().ok()) == Some(gid));
    found.and_then(|fields| fields.first().map(|name| (*name).to_owned())).unwrap_or_else(|| gid.to_string())
}

fn service(passwd: &str, group: &str, unit_groups: &[String]) -> Option<Service> {
    let user = fields(passwd, SERVICE_USER)?;
    let (uid, gid) = (user.get(2)?.parse().ok()?, user.get(3)?.parse().ok()?);
    let mut gids = vec![gid];
    for line in group.lines() {
        let parts: Vec<&str> = line.split(':').collect();
        let (Some(name), Some(gid), Some(members)) = (parts.first(), parts.get(2), parts.get(3)) else { continue };
        let member = members.split(',').any(|member| member == SERVICE_USER);
        if member || unit_groups.iter().any(|group| group == name) {
            gids.extend(gid.parse::<u32>());
        }
    }
    gids.sort_unstable();
    gids.dedup();
    Some(Service { uid, gid, gids })
}

fn fields<'a>(text: &'a str, name: &str) -> Option<Vec<&'a str>> {
    text.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields.first() == Some(&name))
}

/// The groups that the unit and its drop-ins add.
fn unit_groups(root: &Path) -> Vec<String> {
    let mut files: Vec<PathBuf> = Vec::new();
    for folder in UNIT_FOLDERS {
        let unit = root.join(folder).join("forgesyted.service");
        let drop_ins = fs::read_dir(unit.with_extension("service.d")).into_iter().flatten().flatten();
        let mut drop_ins: Vec<PathBuf> = drop_ins.map(|entry| entry.path()).collect();
        drop_ins.sort();
        files.push(unit);
        files.append(&mut drop_ins);
    }
    let mut groups = Vec::new();
    for text in files.iter().filter_map(|file| fs::read_to_string(file).ok()) {
        for value in text.lines().filter_map(|line| line.trim().strip_prefix("SupplementaryGroups=")) {
            // An empty value takes back what stood before (systemd.exec(5)).
            if value.trim().is_empty() {
                groups.clear();
            }
            groups.extend(value.split_whitespace().map(str::to_owned));
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::tests::Root;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nforgesyted:x:998:997::/var/lib/forgesyted:/usr/sbin/nologin\n";
    const GROUP: &str = "root:x:0:\nvideo:x:44:ann\nrender:x:105:\nplugdev:x:46:ann,forgesyted\nforgesyted:x:997:\n";

    #[test]
    fn groups_come_from_user_and_unit() {
        let root = Root::new(
            "accounts",
            &[
                ("etc/passwd", PASSWD),
                ("etc/group", GROUP),
                (
                    "usr/lib/systemd/system/forgesyted.service",
                    "[Service]\nSupplementaryGroups=audio\nSupplementaryGroups=\n",
                ),
                (
                    "etc/systemd/system/forgesyted.service.d/10-groups.conf",
                    "[Service]\nSupplementaryGroups=video render\n",
                ),
            ],
        );
        let service = Service::gather(&root.0).unwrap();
        assert_eq!(service, Service { uid: 998, gid: 997, gids: vec![44, 46, 105, 997] });
        assert_eq!((group_number(&root.0, "video"), group_number(&root.0, "dialout")), (Some(44), None));
        assert_eq!((group_name(&root.0, 105), group_name(&root.0, 7)), ("render".to_owned(), "7".to_owned()));
        assert_eq!(Service::gather(&Root::new("nobody", &[("etc/passwd", "root:x:0:0::/:/bin/sh\n")]).0), None);
    }

    #[test]
    fn the_first_class_that_fits_decides() {
        let service = Service { uid: 998, gid: 44, gids: vec![44] };
        for (uid, gid, mode, expected) in [
            (0, 44, 0o660, true),
            (0, 44, 0o640, false),
            (0, 27, 0o660, false),
            (0, 27, 0o666, true),
            (998, 27, 0o600, true),
            (998, 44, 0o066, false),
            (0, 44, 0o606, false),
        ] {
            assert_eq!(service.may_use(Rights { uid, gid, mode }), expected, "{uid}:{gid} {mode:o}");
        }
        for (gid, mode, expected) in [(44, 0o640, true), (44, 0o604, false), (27, 0o604, true), (27, 0o640, false)] {
            assert_eq!(service.may_read(Rights { uid: 0, gid, mode }), expected, "{gid} {mode:o}");
        }
    }
}
