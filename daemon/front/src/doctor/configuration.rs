//! The configuration: whether it can be read, and what is odd about it.

use std::fs::File;
use std::io;
use std::path::Path;

use super::accounts::{Rights, SERVICE_USER, Service};
use super::finding::Finding;
use base::config::{ConfigError, Loaded, document};

/// A finding for each problem, or one that all is well, and one for each oddity. `service`: who has to be able to read it.
pub fn judge(read: Result<&Loaded, &ConfigError>, service: Option<&Service>) -> Vec<Finding> {
    let loaded = match read {
        Ok(loaded) => loaded,
        Err(error) => {
            let advice = format!("correct it; {} lists what is allowed", document("configuration.md"));
            let problems = error.problems.iter();
            return problems
                .map(|problem| Finding::error("configuration", problem.to_string(), advice.clone()))
                .collect();
        }
    };
    let mut findings = vec![match &loaded.file {
        None => Finding::ok("configuration", "defaults, without a file"),
        Some(file) => {
            let obstacle = service.and_then(|service| not_for_the_service(file, service));
            obstacle.unwrap_or_else(|| Finding::ok("configuration", file.display().to_string()))
        }
    }];
    let advice = "correct its spelling, or ignore this if it is another program's";
    findings.extend(loaded.warnings.iter().map(|warning| Finding::warning("configuration", warning, advice)));
    findings
}

/// Why the service may not read a file.
fn not_for_the_service(file: &Path, service: &Service) -> Option<Finding> {
    if let Some(folder) = service.closed_folder(file) {
        let (file, folder) = (file.display(), folder.display());
        let found = format!("{file}: the service, which is the user {SERVICE_USER}, may not enter {folder}");
        let advice = format!("chgrp {SERVICE_USER} {folder} && chmod g+x {folder}");
        return Some(Finding::error("configuration", found, advice));
    }
    if Rights::of(file).is_none_or(|rights| service.may_read(rights)) {
        return None;
    }
    let file = file.display();
    let found = format!("{file}: the service, which is the user {SERVICE_USER}, may not read it");
    Some(Finding::error("configuration", found, format!("chgrp {SERVICE_USER} {file} && chmod g+r {file}")))
}

/// What there is to say of a file that is kept from whoever runs this (`denied`), and not from the service: a token may be in it.
pub fn kept_from_you(file: &Path, denied: bool, service: Option<&Service>) -> Option<Finding> {
    service.filter(|service| denied && not_for_the_service(file, service).is_none())?;
    let file = file.display();
    Some(Finding::skipped("configuration", format!("{file}: for the service, and not for you; run this as root")))
}

/// Whether the user who runs this may not read a file.
pub fn is_denied(file: &Path) -> bool {
    File::open(file).is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::doctor::finding::Status;
    use crate::doctor::tests::{Root, statuses};
    use base::config;

    #[test]
    fn every_problem_is_a_finding() {
        let load = |text: &str, variables: &[(&str, &str)]| {
            let variables: Vec<_> = variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            config::load(Some((Path::new("/etc/f.toml"), text)), &variables, None)
        };
        let good = load("", &[]).unwrap();
        assert_eq!(judge(Ok(&good), None), [Finding::ok("configuration", "/etc/f.toml")]);
        let odd = load("", &[("STREAM_X", "1")]).unwrap();
        assert_eq!(statuses(&judge(Ok(&odd), None)), [Status::Ok, Status::Warning]);
        let bad = load("[server]\nlisten = 1\nlisen = 2\n", &[]).unwrap_err();
        let findings = judge(Err(&bad), None);
        assert_eq!(statuses(&findings), [Status::Error, Status::Error]);
        assert!(findings[0].found.starts_with("/etc/f.toml:2: server.listen"), "{findings:?}");
    }

    #[test]
    fn a_folder_that_only_root_may_enter_is_named_and_a_token_is_nobodys_mistake() {
        let root = Root::new("closed", &[("etc/f.toml", "")]);
        let (folder, file) = (root.0.join("etc"), root.0.join("etc/f.toml"));
        let mode = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        let good = config::load(Some((&file, "")), &[], None).unwrap();
        let other = Service { uid: u32::MAX - 1, gid: u32::MAX - 1, gids: Vec::new() };
        mode(&folder, 0o750);
        let finding = judge(Ok(&good), Some(&other)).remove(0);
        assert!(
            finding.status == Status::Error && finding.found.ends_with(&format!("may not enter {}", folder.display()))
        );
        assert_eq!(kept_from_you(&file, true, Some(&other)), None, "the service has the same trouble");
        mode(&folder, 0o751);
        assert_eq!(statuses(&judge(Ok(&good), Some(&other))), [Status::Ok]);
        for (denied, service, expected) in
            [(true, Some(&other), Some(Status::Skipped)), (false, Some(&other), None), (true, None, None)]
        {
            assert_eq!(kept_from_you(&file, denied, service).map(|finding| finding.status), expected);
        }
        assert!(!is_denied(&file) && !is_denied(&folder.join("absent")));
    }

    #[test]
    fn a_file_that_only_root_may_read_is_an_error() {
        let root = Root::new("hidden", &[("f.toml", "")]);
        let file = root.0.join("f.toml");
        let good = config::load(Some((&file, "")), &[], None).unwrap();
        let other = Service { uid: u32::MAX - 1, gid: u32::MAX - 1, gids: Vec::new() };
        for (mode, expected) in [(0o600, Status::Error), (0o644, Status::Ok)] {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(statuses(&judge(Ok(&good), Some(&other))), [expected], "{mode:o}");
        }
    }
}
