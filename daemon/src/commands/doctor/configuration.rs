//! The configuration: whether it can be read, and what is odd about it.

use super::finding::Finding;
use crate::config::{ConfigError, Loaded};

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
    use std::path::Path;

    use super::*;
    use crate::commands::doctor::finding::Status;
    use crate::commands::doctor::tests::statuses;
    use crate::config;

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
