//! The package `forgesyted-libtorch`: the CPU-only libtorch, in the form of a libtorch folder at `/usr/lib/forgesyted`.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, bail};

use super::pack::Words;
use super::work::Work;
use super::{Source, needs, source};
use crate::cross::symbols;
use crate::files::{copy, files};
use crate::libtorch::TORCH_VERSION;

const NAME: &str = "forgesyted-libtorch";

/// Lays out the package in `stage` from the CPU-only libtorch in a folder. It depends on nothing of the daemon's version, so a
/// new daemon need not bring it anew.
pub(super) fn lay_out(folder: &Path, source: &Source, stage: &Path) -> Result<(Work, Words)> {
    let packaging = source.packaging(NAME);
    let (version, time) = source::last_change(&packaging.join("changelog"))?;
    if !version.starts_with(&format!("{TORCH_VERSION}-")) {
        bail!("the changelog of {NAME} begins with {version}: write an entry for a version of {TORCH_VERSION}");
    }
    let work = Work::begin(NAME, &packaging, folder, stage)?;
    let documents = Path::new("usr/share/doc").join(NAME);
    for project in ["torch", "nvidia_cuda_runtime", "nvidia_cuda_cupti"] {
        for (name, path) in files(&folder.join("licences").join(project))? {
            copy(&path, &work.place(documents.join(format!("{project}-{name}"))))?;
        }
    }
    let libraries = files(&folder.join("lib"))?;
    let wanted: Vec<_> = libraries.iter().map(|(_, path)| symbols::needs(path)).collect::<Result<_>>()?;
    let own: BTreeSet<String> = libraries.into_iter().map(|(name, _)| name).collect();
    let needs = needs::relations(&wanted, &own)?.join(", ");
    let values = vec![("needs:Depends", needs), ("libtorch:From", TORCH_VERSION.to_owned())];
    Ok((work, Words { values, changes: None, time }))
}
