//! The variables that the service has of its own: those of `/etc/default/forgesyted`, which its unit names.

use std::io;
use std::path::Path;

use super::finding::Finding;
use crate::service_user::is_variable;
use base::config::ConfigSource;

/// The file, below the machine's root.
const FILE: &str = "etc/default/forgesyted";

/// What the service is given.
#[derive(Debug)]
pub struct Environment {
    /// The configuration's source with the daemon's variables, as far as this process has no other values for them.
    pub source: ConfigSource,
    /// The variables of others: of the dynamic loader, CUDA and the like.
    pub others: Vec<(String, String)>,
    /// What there is to say of them.
    pub finding: Option<Finding>,
}

/// The service's variables, for a configuration from `source`.
pub fn of_service(root: &Path, source: &ConfigSource) -> Environment {
    let mut source = source.clone();
    let text = match std::fs::read_to_string(root.join(FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Environment { source, others: Vec::new(), finding: None };
        }
        Err(error) => {
            let found = format!("/{FILE}, which the service has too, cannot be read: {error}");
            return Environment { source, others: Vec::new(), finding: Some(Finding::skipped("configuration", found)) };
        }
    };
    let mut added = variables(&text);
    added.retain(|(name, _)| !source.environment.iter().any(|(present, _)| present == name));
    let names = added.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    let (mut ours, others): (Vec<_>, Vec<_>) =
        added.into_iter().partition(|(name, _)| name.starts_with("FORGESYTED_") || name.starts_with("STREAM_"));
    source.environment.append(&mut ours);
    source.environment.sort();
    let finding = (!names.is_empty()).then(|| Finding::ok("configuration", format!("{names} of /{FILE}")));
    Environment { source, others, finding }
}

/// The variables in the text of an `EnvironmentFile=` (systemd.exec(5)), the last value of each: a name and a value a line, which
/// may stand in quotes; lines that begin with `#` or `;` are comments. Escapes are taken as they stand.
fn variables(text: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
        let Some((name, value)) = line.split_once('=') else { continue };
        let (name, value) = (name.trim_end(), unquoted(value.trim()));
        if is_variable(name, value) {
            found.retain(|(earlier, _)| earlier != name);
            found.push((name.to_owned(), value.to_owned()));
        }
    }
    found
}

fn unquoted(value: &str) -> &str {
    let between = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    between('"').or_else(|| between('\'')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Status;
    use crate::doctor::tests::Root;

    fn source(environment: &[(&str, &str)]) -> ConfigSource {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        ConfigSource { file: None, environment, prefix: None }
    }

    #[test]
    fn the_services_own_variables_are_taken_unless_others_are_given() {
        let text = "# FORGESYTED_TOKEN=x\n;STREAM_X=1\n=1\nA-B=1\nLD_LIBRARY_PATH=/opt/cuda\n STREAM_MAX_SESSIONS=4\n\
                    STREAM_MAX_SESSIONS='5'\nFORGESYTED_LISTEN=\"[::]:9\"\nFORGESYTED_LIBTORCH=\n";
        let root = Root::new("service-variables", &[(FILE, text)]);
        let of_service = of_service(&root.0, &source(&[("FORGESYTED_LISTEN", "[::]:8")]));
        let pairs: Vec<_> =
            of_service.source.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let expected = [("FORGESYTED_LIBTORCH", ""), ("FORGESYTED_LISTEN", "[::]:8"), ("STREAM_MAX_SESSIONS", "5")];
        assert_eq!(pairs, expected);
        assert_eq!(of_service.others, [("LD_LIBRARY_PATH".to_owned(), "/opt/cuda".to_owned())]);
        let found = "LD_LIBRARY_PATH, STREAM_MAX_SESSIONS, FORGESYTED_LIBTORCH of /etc/default/forgesyted";
        assert_eq!(of_service.finding, Some(Finding::ok("configuration", found)));
    }

    #[test]
    fn without_the_file_nothing_changes_and_one_that_cannot_be_read_is_named() {
        let given = of_service(&Root::new("no-service-variables", &[]).0, &source(&[("STREAM_X", "1")]));
        assert_eq!((given.source.environment.len(), given.others.len(), given.finding), (1, 0, None));
        let root = Root::new("unreadable-variables", &[("etc/default/forgesyted/a-folder", "")]);
        assert_eq!(of_service(&root.0, &source(&[])).finding.unwrap().status, Status::Skipped);
    }
}
