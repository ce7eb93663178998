//! Places of the configuration that lie in homes. This program sees them; the service's sandbox does not.

use std::fs;
use std::path::Path;

use super::finding::Finding;
use super::service::Unit;
use base::config::{CameraDevice, Config, is_in_home};

/// A finding for each configured place that the service does not see.
pub fn judge(config: &Config, unit: &Unit) -> Vec<Finding> {
    let property = |name: &str| unit.as_ref().and_then(|unit| unit.get(name)).map_or("", String::as_str);
    if !["yes", "tmpfs"].contains(&property("ProtectHome")) {
        return Vec::new();
    }
    let given = [property("BindPaths"), property("BindReadOnlyPaths")].join(" ");
    let hidden = |path: &Path| is_in_home(path) && !is_given(&given, path);
    // A link into a home leads nowhere too.
    let hidden = |path: &Path| hidden(path) || fs::canonicalize(path).is_ok_and(|path| hidden(&path));
    let findings = places(config).into_iter().filter(|(_, path)| hidden(path)).map(|(setting, path)| {
        Finding::error(
            "configuration",
            format!("{setting} names {}, and the service sees no home folders", path.display()),
            "put it below /opt and correct the setting, or let the service see it: `systemctl edit forgesyted` with \
             ProtectHome=tmpfs and BindReadOnlyPaths= with the folder, below [Service]",
        )
    });
    findings.collect()
}

/// Whether a drop-in gives the service that place: `SOURCE:TARGET:OPTIONS`, one behind the other.
fn is_given(binds: &str, path: &Path) -> bool {
    binds.split_whitespace().any(|bind| {
        let mut parts = bind.trim_start_matches('-').split(':');
        let source = parts.next();
        parts.next().or(source).is_some_and(|target| path.starts_with(target))
    })
}

/// What the configuration names, and where.
fn places(config: &Config) -> Vec<(String, &Path)> {
    let named = |setting: &'static str| move |path| (setting.to_owned(), path);
    let libtorch = config.engine.libtorch.as_deref().map(named("engine.libtorch"));
    let dirs = config.pipelines.dirs.iter().map(AsRef::as_ref).map(named("pipelines.dirs"));
    let model_dirs = config.pipelines.model_dirs.iter().map(AsRef::as_ref).map(named("pipelines.model_dirs"));
    let replays = config.cameras.iter().filter_map(|camera| match &camera.device {
        CameraDevice::Replay(path) => Some((format!("camera \"{}\"", camera.name), path.as_ref())),
        _ => None,
    });
    libtorch.into_iter().chain(dirs).chain(model_dirs).chain(replays).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_homes_are_errors_unless_the_unit_gives_them() {
        let mut config = Config::default();
        config.engine.libtorch = Some("/home/u/torch".into());
        config.pipelines.dirs = vec!["/root/p".into(), "/opt/p".into()];
        config.pipelines.model_dirs = vec!["/home/u/models".into()];
        let found = |properties: &[(&str, &str)]| {
            let pairs = properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            judge(&config, &Some(pairs.collect()))
        };
        let all = found(&[("ProtectHome", "yes")]);
        let words =
            ["engine.libtorch names /home/u/torch,", "pipelines.dirs names /root/p,", "pipelines.model_dirs names"];
        assert_eq!(all.len(), 3, "{all:?}");
        assert!(all.iter().zip(words).all(|(finding, words)| finding.found.starts_with(words)), "{all:?}");
        let given = ("BindReadOnlyPaths", "/home/u:/home/u:rbind /srv/p:/root/p:rbind");
        assert_eq!(found(&[("ProtectHome", "tmpfs"), given]), []);
        for seen in ["no", "read-only"] {
            assert_eq!(found(&[("ProtectHome", seen)]), []);
        }
        assert_eq!(judge(&config, &None), [], "no systemd, no sandbox");
    }
}
