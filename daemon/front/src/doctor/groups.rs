//! The service's user and its groups.

use std::path::Path;

use super::accounts::{SERVICE_USER, Service, group_number};
use super::finding::Finding;

/// The groups that own cameras, and GPUs.
const WANTED: [&str; 2] = ["video", "render"];

/// The wanted groups that this machine has.
pub fn gather(root: &Path) -> Vec<(&'static str, u32)> {
    WANTED.into_iter().filter_map(|name| group_number(root, name).map(|number| (name, number))).collect()
}

/// Whether the service is in those groups.
pub fn judge(service: Option<&Service>, groups: &[(&'static str, u32)]) -> Finding {
    let Some(service) = service else {
        return Finding::skipped("groups", format!("there is no user {SERVICE_USER}: the package is not installed"));
    };
    let (inside, outside): (Vec<_>, Vec<_>) = groups.iter().partition(|(_, number)| service.gids.contains(number));
    let names = |groups: &[&(&'static str, u32)]| groups.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" ");
    if outside.is_empty() {
        let found =
            if inside.is_empty() { "this machine has neither video nor render".to_owned() } else { names(&inside) };
        return Finding::ok("groups", found);
    }
    let outside = names(&outside);
    Finding::warning(
        "groups",
        format!("the service is not in {outside}, so it may not open cameras or the GPU that belong to it"),
        format!("`systemctl edit forgesyted` with SupplementaryGroups={outside} below [Service], then restart it"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Status;

    #[test]
    fn verdicts() {
        let service = |gids: &[u32]| Service { uid: 998, gid: 998, gids: gids.to_vec() };
        let both = [("video", 44), ("render", 105)];
        for (gids, groups, expected, words) in [
            (&[44, 105][..], &both[..], Status::Ok, "video render"),
            (&[44], &both, Status::Warning, "not in render"),
            (&[44], &both[..1], Status::Ok, "video"),
            (&[], &[], Status::Ok, "neither"),
        ] {
            let finding = judge(Some(&service(gids)), groups);
            assert!(finding.status == expected && finding.found.contains(words), "{finding:?}");
        }
        assert_eq!(judge(None, &both).status, Status::Skipped);
    }
}
