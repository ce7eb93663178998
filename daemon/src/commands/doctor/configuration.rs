//! The configuration: whether it can be read, and what is odd about it.

use std::path::Path;

use super::finding::Finding;
use crate::config::{ConfigError, Loaded};

/// Variables of the service alone, which its unit names.
const SERVICE_VARIABLES: &str = "etc/default/forgesyted";

/// A finding where the service has settings that this process has not, and so are not examined.
pub fn of_service(root: &Path, environment: &[(String, String)]) -> Option<Finding> {
    let text = match std::fs::read_to_string(root.join(SERVICE_VARIABLES)) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => {
            let found = format!("/{SERVICE_VARIABLES}, which the service has too, cannot be read: {error}");
            return Some(Finding::skipped("configuration", found));
        }
    };
    let names = text.lines().filter_map(|line| line.trim_start().split_once('=')).map(|(name, _)| name.trim_end());
    let ours = names.filter(|name| name.starts_with("FORGESYTED_") || name.starts_with("STREAM_"));
    let absent: Vec<&str> = ours.filter(|name| !environment.iter().any(|(present, _)| present == name)).collect();
    (!absent.is_empty()).then(|| {
        let names = absent.join(", ");
        let found = format!(
            "the service has {names} from /{SERVICE_VARIABLES}; not examined here, unless given to this command"
        );
        Finding::skipped("configuration", found)
    })
}

/// A finding for each problem, or one that all is well, and one for each oddity.
pub fn judge(read: Result<&Loaded, &ConfigError>) -> Vec<Finding> {
    let loaded = match read {
        Ok(loaded) => loaded,
        Err(error) => {
            let advice = "correct it; docs/configuration.md lists what is allowed";
            let problems = error.problems.iter();
            return problems.map(|problem| Finding::error("configuration", problem.to_string(), advice)).collect();
        }
    };
    let file = loaded.file.as_ref().map_or("defaults, without a file".to_owned(), |file| file.display().to_string());
    let mut findings = vec![Finding::ok("configuration", file)];
    let advice = "correct its spelling, or ignore this if it is another program's";
    findings.extend(loaded.warnings.iter().map(|warning| Finding::warning("configuration", warning, advice)));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::finding::Status;
    use crate::commands::doctor::tests::{Root, statuses};
    use crate::config;

    #[test]
    fn the_services_own_variables_are_named() {
        let text = "# FORGESYTED_TOKEN=x\nOTHER=1\n STREAM_MAX_SESSIONS=4\nFORGESYTED_LISTEN=\"[::]:9\"\n";
        let root = Root::new("service-variables", &[(SERVICE_VARIABLES, text)]);
        let given = [("FORGESYTED_LISTEN".to_owned(), "[::]:9".to_owned())];
        let found = of_service(&root.0, &given).unwrap();
        assert_eq!(found.status, Status::Skipped);
        assert!(found.found.starts_with("the service has STREAM_MAX_SESSIONS from /etc"), "{found:?}");
        assert_eq!(of_service(&Root::new("no-service-variables", &[]).0, &given), None);
    }

    #[test]
    fn every_problem_is_a_finding() {
        let load = |text: &str, variables: &[(&str, &str)]| {
            let variables: Vec<_> = variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            config::load(Some((Path::new("/etc/f.toml"), text)), &variables, None)
        };
        let good = load("", &[]).unwrap();
        assert_eq!(judge(Ok(&good)), [Finding::ok("configuration", "/etc/f.toml")]);
        let odd = load("", &[("STREAM_X", "1")]).unwrap();
        assert_eq!(statuses(&judge(Ok(&odd))), [Status::Ok, Status::Warning]);
        let bad = load("[server]\nlisten = 1\nlisen = 2\n", &[]).unwrap_err();
        let findings = judge(Err(&bad));
        assert_eq!(statuses(&findings), [Status::Error, Status::Error]);
        assert!(findings[0].found.starts_with("/etc/f.toml:2: server.listen"), "{findings:?}");
    }
}
