//! `GET /v1/pipelines`: what is loaded, and which files were refused and why.
//!
//! Where a token is set, only its owner reads this, and a reason is what the log says. A board without one is open to its
//! network: there the folders in a reason are left out, which tell how the machine is laid out.

use std::path::Path;

use serde::Serialize;

use super::reply::{Reply, json_reply};
use crate::pipeline::{PipelineView, Rejection};
use crate::session::Services;
use base::config::Config;

#[derive(Debug, Serialize)]
struct Answer {
    pipelines: Vec<PipelineView>,
    /// Names alone, as clients have always had them.
    rejected: Vec<String>,
    rejections: Vec<Refused>,
}

/// A file that was left out at the last load.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Refused {
    file: String,
    reason: String,
    kept_previous: bool,
}

/// The answer.
pub fn answer(services: &Services) -> Reply {
    let config = services.config.load();
    // Of one load, whatever a reload does meanwhile.
    let loaded = services.pipelines.loaded();
    json_reply(&Answer {
        pipelines: loaded.list(),
        rejected: loaded.rejected_files(),
        rejections: loaded.rejected.iter().filter_map(|rejection| refused(rejection, &config)).collect(),
    })
}

fn refused(rejection: &Rejection, config: &Config) -> Option<Refused> {
    let Rejection { file, reason, kept_previous } = rejection;
    let reason = if config.server.token.is_some() {
        reason.clone()
    } else {
        let configured = config.pipelines.dirs.iter().chain(&config.pipelines.model_dirs).map(|dir| dir.as_path());
        without_folders(reason, configured.chain(file.parent()))
    };
    Some(Refused { file: rejection.name()?, reason, kept_previous: *kept_previous })
}

/// The text with each path in it cut down to its last part. `known` folders are found as they are; of others, a path ends
/// where a blank, a quotation mark or a bracket does.
fn without_folders<'a>(text: &str, known: impl Iterator<Item = &'a Path>) -> String {
    let mut known: Vec<String> =
        known.map(|dir| format!("{}/", dir.display().to_string().trim_end_matches('/'))).collect();
    // The inner folder first: what is left of it would not be known any more.
    known.sort_by_key(|dir| std::cmp::Reverse(dir.len()));
    let text = known.iter().filter(|dir| dir.as_str() != "/").fold(text.to_owned(), |text, dir| text.replace(dir, ""));
    let ends = |c: char| c.is_whitespace() || "\"'`“”‘’()[]{}<>,;=".contains(c);
    text.split_inclusive(ends).map(|word| last_part(word, ends)).collect()
}

/// A path's last part, with what ended it; any other word whole.
fn last_part(word: &str, ends: impl Fn(char) -> bool) -> &str {
    let path = word.trim_end_matches(&ends);
    let Some((folder, name)) = path.trim_end_matches(['/', ':', '.']).rsplit_once('/') else { return word };
    // "and/or" and "frames/s" are no paths; "models/x.pt" is one, whoever wrote it. "/opt" has no folder to leave out.
    let is_path = path.starts_with(['.', '~']) || name.contains('.') || folder.contains(['/', ':']);
    let is_path = is_path || (path.starts_with('/') && !folder.is_empty());
    word.get(folder.len() + 1..).filter(|_| is_path).unwrap_or(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn folders_are_left_out_of_a_reason() {
        let known = ["/etc/forgesyted/pipelines.d", "/srv/our models", "/srv", "pipelines", "/"];
        for (reason, expected) in [
            ("node \"a\": unknown kind \"guess\"", "node \"a\": unknown kind \"guess\""),
            ("is a folder, and a name/label or 3 frames/s", "is a folder, and a name/label or 3 frames/s"),
            (
                "id \"yard\" is defined by /etc/forgesyted/pipelines.d/a.toml already",
                "id \"yard\" is defined by a.toml already",
            ),
            (
                "model \"sub/x.pt\" is not there; looked for pipelines/sub/x.pt, /srv/our models/sub/x.pt. Put it there, or correct",
                "model \"x.pt\" is not there; looked for x.pt, x.pt. Put it there, or correct",
            ),
            (
                "model /opt/secret/x.pt does not load as TorchScript: cut",
                "model x.pt does not load as TorchScript: cut",
            ),
            ("(file:///opt/x.pt) ~/x.pt ../up/x.pt: lost", "(x.pt) x.pt x.pt: lost"),
            (
                "/opt/two words/x.pt, /opt/folder/ and / or /opt/fold … er/x.pt.",
                "two x.pt, folder/ and / or fold … x.pt.",
            ),
            ("cannot be listed: denied. Put it below /opt", "cannot be listed: denied. Put it below /opt"),
            ("library=/opt/libs/a.so.1: no", "library=a.so.1: no"),
            ("ключ /opt/é/ü.pt", "ключ ü.pt"),
        ] {
            assert_eq!(without_folders(reason, known.iter().map(Path::new)), expected, "{reason}");
        }
    }

    #[test]
    fn the_whole_reason_is_told_where_a_token_is_needed_to_read_it() {
        let rejection = Rejection {
            file: PathBuf::from("/etc/forgesyted/pipelines.d/yard.toml"),
            reason: "model /opt/x.pt is cut".to_owned(),
            kept_previous: true,
        };
        for (token, reason) in [(None, "model x.pt is cut"), (Some("s3cret".to_owned()), "model /opt/x.pt is cut")] {
            let mut config = Config::default();
            config.server.token = token;
            let expected = Refused { file: "yard.toml".to_owned(), reason: reason.to_owned(), kept_previous: true };
            assert_eq!(refused(&rejection, &config), Some(expected));
        }
    }
}
