//! The variables that the service has of its own: those of `/etc/default/forgesyted`, which its unit names.

use std::io;
use std::path::Path;

use super::finding::Finding;
use crate::config::ConfigSource;

/// The file, below the machine's root.
const FILE: &str = "etc/default/forgesyted";

/// The configuration's source with the service's own variables, as far as this process has no other values for them, and what
/// there is to say of them.
pub fn of_service(root: &Path, source: &ConfigSource) -> (ConfigSource, Option<Finding>) {
    let mut source = source.clone();
    let text = match std::fs::read_to_string(root.join(FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return (source, None),
        Err(error) => {
            let found = format!("/{FILE}, which the service has too, cannot be read: {error}");
            return (source, Some(Finding::skipped("configuration", found)));
        }
    };
    let mut added = variables(&text);
    added.retain(|(name, _)| !source.environment.iter().any(|(present, _)| present == name));
    let names = added.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    source.environment.append(&mut added);
    source.environment.sort();
    let finding = (!names.is_empty()).then(|| Finding::ok("configuration", format!("{names} of /{FILE}")));
    (source, finding)
}

/// The daemon's variables in the text of an `EnvironmentFile=` (systemd.exec(5)), the last value of each: a name and a value a
/// line, which may stand in quotes; lines that begin with `#` or `;` are comments. Escapes are taken as they stand.
fn variables(text: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
        let Some((name, value)) = line.split_once('=') else { continue };
        let (name, value) = (name.trim_end(), unquoted(value.trim()));
        if name.starts_with("FORGESYTED_") || name.starts_with("STREAM_") {
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
    use crate::commands::doctor::finding::Status;
    use crate::commands::doctor::tests::Root;

    fn source(environment: &[(&str, &str)]) -> ConfigSource {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        ConfigSource { file: None, environment, prefix: None }
    }

    #[test]
    fn the_services_own_variables_are_taken_unless_others_are_given() {
        let text = "# FORGESYTED_TOKEN=x\n;STREAM_X=1\nOTHER=1\n STREAM_MAX_SESSIONS=4\nSTREAM_MAX_SESSIONS='5'\n\
                    FORGESYTED_LISTEN=\"[::]:9\"\nFORGESYTED_LIBTORCH=\n";
        let root = Root::new("service-variables", &[(FILE, text)]);
        let (source, finding) = of_service(&root.0, &source(&[("FORGESYTED_LISTEN", "[::]:8")]));
        let pairs: Vec<_> = source.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let expected = [("FORGESYTED_LIBTORCH", ""), ("FORGESYTED_LISTEN", "[::]:8"), ("STREAM_MAX_SESSIONS", "5")];
        assert_eq!(pairs, expected);
        let found = "STREAM_MAX_SESSIONS, FORGESYTED_LIBTORCH of /etc/default/forgesyted";
        assert_eq!(finding, Some(Finding::ok("configuration", found)));
    }

    #[test]
    fn without_the_file_nothing_changes_and_one_that_cannot_be_read_is_named() {
        let (given, finding) = of_service(&Root::new("no-service-variables", &[]).0, &source(&[("STREAM_X", "1")]));
        assert_eq!((given.environment.len(), finding), (1, None));
        let root = Root::new("unreadable-variables", &[("etc/default/forgesyted/a-folder", "")]);
        assert_eq!(of_service(&root.0, &source(&[])).1.unwrap().status, Status::Skipped);
    }
}
