//! The board: its name and its JetPack, from the files below a given root.

use std::fs;
use std::path::Path;

/// What a board says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Board {
    /// The name in its device tree, or of its firmware.
    pub model: Option<String>,
    /// Its Jetson Linux (L4T), such as `36.4.3`.
    pub l4t: Option<String>,
    /// The version of the package nvidia-jetpack, such as `6.2+b77`.
    pub jetpack: Option<String>,
}

/// Reads the files of a board below `root`.
pub fn gather(root: &Path) -> Board {
    let read = |path: &str| fs::read_to_string(root.join(path)).ok();
    let named = |path: &str| read(path).map(|text| text.trim_matches(['\0', '\n', ' ']).to_owned());
    let model = named("proc/device-tree/model").or_else(|| named("sys/class/dmi/id/product_name"));
    Board {
        model: model.filter(|name| !name.is_empty()),
        l4t: read("etc/nv_tegra_release").as_deref().and_then(l4t),
        jetpack: read("var/lib/dpkg/status").as_deref().and_then(|status| package(status, "nvidia-jetpack")),
    }
}

/// `36.4.3` from `# R36 (release), REVISION: 4.3, GCID: …`.
fn l4t(release: &str) -> Option<String> {
    let line = release.lines().next()?;
    let major = line.trim_start_matches(['#', ' ']).strip_prefix('R')?.split_whitespace().next()?;
    let revision = line.split("REVISION:").nth(1)?.split(',').next()?.trim();
    major.parse::<u32>().ok().map(|major| format!("{major}.{revision}"))
}

/// The version of an installed package, from dpkg's status file.
fn package(status: &str, name: &str) -> Option<String> {
    let paragraph = status.split("\n\n").find(|text| text.lines().any(|line| line == format!("Package: {name}")))?;
    let field = |key: &str| paragraph.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
    field("Status:").filter(|status| status.ends_with(" installed"))?;
    field("Version:").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn release_files_and_packages() {
        for (text, expected) in [
            ("# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic\n", Some("36.4.3")),
            ("# R35 (release), REVISION: 4.1, GCID: 1\n", Some("35.4.1")),
            ("R (release)", None),
            ("", None),
        ] {
            assert_eq!(l4t(text).as_deref(), expected, "{text}");
        }
        let status = "Package: a\nStatus: install ok installed\nVersion: 1\n\nPackage: b\nStatus: deinstall ok config-files\nVersion: 2\n";
        assert_eq!(
            (package(status, "a").as_deref(), package(status, "b"), package(status, "c")),
            (Some("1"), None, None)
        );
    }
}
