//! The configuration: whether it can be read, and what is odd about it.

use std::path::Path;

use super::accounts::{Rights, SERVICE_USER, Service};
use super::finding::Finding;
use crate::config::{ConfigError, Loaded};

/// A finding for each problem, or one that all is well, and one for each oddity. `service`: who has to be able to read it.
pub fn judge(read: Result<&Loaded, &ConfigError>, service: Option<&Service>) -> Vec<Finding> {
    let loaded = match read {
        Ok(loaded) => loaded,
        Err(error) => {
            let advice = "correct it; docs/configuration.md lists what is allowed";
            let problems = error.problems.iter();
            return problems.map(|problem| Finding::error("configuration", problem.to_string(), advice)).collect();
        }
    };
    let mut findings = vec![match &loaded.file {
        None => Finding::ok("configuration", "defaults, without a file"),
        Some(file) => {
            let hidden = |service: &Service| Rights::of(file).is_some_and(|rights| !service.may_read(rights));
            if service.is_some_and(hidden) {
                not_for_the_service(file)
            } else {
                Finding::ok("configuration", file.display().to_string())
            }
        }
    }];
    let advice = "correct its spelling, or ignore this if it is another program's";
    findings.extend(loaded.warnings.iter().map(|warning| Finding::warning("configuration", warning, advice)));
    findings
}

fn not_for_the_service(file: &Path) -> Finding {
    let file = file.display();
    let advice = format!("chgrp {SERVICE_USER} {file} && chmod g+r {file}");
    Finding::error(
        "configuration",
        format!("{file}: the service, which is the user {SERVICE_USER}, may not read it"),
        advice,
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::commands::doctor::finding::Status;
    use crate::commands::doctor::tests::{Root, statuses};
    use crate::config;

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
