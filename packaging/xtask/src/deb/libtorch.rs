//! The package `forgesyted-libtorch`: the CPU-only libtorch, in the form of a libtorch folder at `/usr/lib/forgesyted`.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, bail};

use super::content::{Entry, Package, files};
use super::{Source, needs, source};
use crate::cross::symbols;
use crate::libtorch::TORCH_VERSION;

const NAME: &str = "forgesyted-libtorch";
/// The folder that is a libtorch folder once the package is installed.
const HOME: &str = "usr/lib/forgesyted";

/// Puts the package together from the CPU-only libtorch in a folder. It depends on nothing of the daemon's version, so a
/// new daemon need not bring it anew.
pub(super) fn package(folder: &Path, source: &Source) -> Result<Package> {
    let home = Path::new(HOME);
    let mut entries = vec![Entry::file(home.join("build-version"), &folder.join("build-version"))];
    let libraries = files(&folder.join("lib"))?;
    entries.extend(libraries.iter().map(|(name, path)| Entry::file(home.join("lib").join(name), path)));
    let documents = Path::new("usr/share/doc").join(NAME);
    for project in ["torch", "nvidia_cuda_runtime", "nvidia_cuda_cupti"] {
        for (name, path) in files(&folder.join("licences").join(project))? {
            entries.push(Entry::file(documents.join(format!("{project}-{name}")), &path));
        }
    }
    let packaging = source.packaging(NAME);
    let (version, time) = source::last_change(&packaging.join("changelog"))?;
    if !version.starts_with(&format!("{TORCH_VERSION}-")) {
        bail!("the changelog of {NAME} begins with {version}: write an entry for a version of {TORCH_VERSION}");
    }
    let wanted: Vec<_> = libraries.iter().map(|(_, path)| symbols::needs(path)).collect::<Result<_>>()?;
    let own: BTreeSet<String> = libraries.into_iter().map(|(name, _)| name).collect();
    let needs = needs::relations(&wanted, &own)?.join(", ");
    let values = vec![("needs:Depends", needs), ("libtorch:From", TORCH_VERSION.to_owned())];
    let about = Entry::files("", &packaging, |_| true)?;
    Ok(Package { name: NAME, about, entries, changes: None, values, time })
}
