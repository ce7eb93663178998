//! The package `forgesyted-libtorch`: the CPU-only libtorch, in the form of a libtorch folder at `/usr/lib/forgesyted`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::content::{self, Entry, Package};
use super::{LIBTORCH_NAME, Source, needs, version};
use crate::arch::Arch;
use crate::libtorch::TORCH_VERSION;

/// The folder that is a libtorch folder once the package is installed.
const HOME: &str = "usr/lib/forgesyted";

/// Puts the package together from the CPU-only libtorch in a folder. It depends on nothing of the daemon's version, so a
/// new daemon need not bring it anew.
pub(super) fn package(folder: &Path, arch: Arch, source: &Source) -> Result<Package> {
    let home = Path::new(HOME);
    let mut entries = vec![Entry::file(home.join("build-version"), &folder.join("build-version"))];
    let libraries = content::files(&folder.join("lib"))?;
    entries.extend(libraries.iter().map(|(name, path)| Entry::file(home.join("lib").join(name), path)));
    let packaging = source.root.join("packaging/deb").join(LIBTORCH_NAME);
    let changes = fs::read_to_string(packaging.join("changelog")).context("cannot read libtorch's changelog")?;
    entries.extend(documents(folder, &packaging, &changes, source)?);
    let wanted: Vec<_> = libraries.iter().map(|(_, path)| needs::of(path)).collect::<Result<_>>()?;
    let own: BTreeSet<String> = libraries.into_iter().map(|(name, _)| name).collect();
    Ok(Package {
        name: LIBTORCH_NAME,
        version: version::libtorch(),
        architecture: arch.debian(),
        fields: fields(&needs::relations(&wanted, &own)?),
        entries,
        scripts: ["postinst", "postrm"].map(|name| (name, packaging.join(name))).to_vec(),
        time: super::time_of_change(&changes, &version::libtorch())?,
    })
}

fn fields(depends: &[String]) -> Vec<(&'static str, String)> {
    vec![
        ("Maintainer", super::MAINTAINER.to_owned()),
        ("Section", "libs".to_owned()),
        ("Priority", "optional".to_owned()),
        ("Depends", depends.join(", ")),
        ("Enhances", "forgesyted".to_owned()),
        (
            "Description",
            format!(
                "libtorch {TORCH_VERSION} for CPUs, for forgesyted\n The libraries of PyTorch without Python and without \
                 CUDA, as published by the\n PyTorch project. They lie in a folder of forgesyted's own; other programs do\n \
                 not find them.\n .\n A machine on which forgesyted uses another libtorch does not need this package."
            ),
        ),
    ]
}

fn documents(folder: &Path, packaging: &Path, changes: &str, source: &Source) -> Result<Vec<Entry>> {
    let place = Path::new("usr/share/doc").join(LIBTORCH_NAME);
    let mut entries = vec![
        Entry::file(place.join("copyright"), &packaging.join("copyright")),
        Entry::text(place.join("changelog.Debian.gz"), super::gzip(changes.as_bytes())?),
        Entry::text(Path::new("usr/share/lintian/overrides").join(LIBTORCH_NAME), source.overrides(LIBTORCH_NAME)?),
    ];
    for project in ["torch", "nvidia_cuda_runtime", "nvidia_cuda_cupti"] {
        for (name, path) in content::files(&folder.join("licences").join(project))? {
            let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            entries.push(Entry::text(place.join(format!("{project}-{name}.gz")), super::gzip(&text)?));
        }
    }
    Ok(entries)
}
