//! The pages of `docs/` as the package has them: side by side in its folder of documents, with links that lead somewhere there.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::files::{files, read_text};

/// The folder of the package's documents.
pub(super) const FOLDER: &str = "usr/share/doc/forgesyted";
/// What pages link to that the package has elsewhere: its place in the checkout, seen from a page, and in the package.
const ELSEWHERE: &[(&str, &str)] = &[("../config/forgesyted.toml", "../../../../etc/forgesyted/forgesyted.toml")];

/// The names of the pages of this folder, and their texts.
pub(super) fn pages(docs: &Path) -> Result<Vec<(String, String)>> {
    let read = |(name, path): (String, PathBuf)| Ok((name, in_package(&read_text(&path)?)));
    files(docs)?.into_iter().filter(|(name, _)| name.ends_with(".md")).map(read).collect()
}

/// A page whose links out of `docs/` are gone, all but their words: the package has no sources.
fn in_package(page: &str) -> String {
    let mut written = String::with_capacity(page.len());
    let mut rest = page;
    while let Some(middle) = rest.find("](../") {
        let (before, link) = rest.split_at(middle);
        let (Some(start), Some(end)) = (before.rfind('['), link.find(')')) else { break };
        let (target, after) = (link.get(2..end).unwrap_or_default(), link.get(end + 1..).unwrap_or_default());
        match ELSEWHERE.iter().find(|(from, _)| *from == target) {
            Some((_, to)) => written.extend([before, "](", to, ")"]),
            None => written.extend([before.get(..start), before.get(start + 1..)].into_iter().flatten()),
        }
        rest = after;
    }
    written + rest
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::paths;

    #[test]
    fn links_to_sources_keep_their_words() {
        for (page, expected) in [
            (
                "See [the `noop` node](../daemon/engine/src/pipeline/nodes/noop.rs), [a](b.md).",
                "See the `noop` node, [a](b.md).",
            ),
            ("[one](../x) and [two](../y/z.rs#L3)\n", "one and two\n"),
            ("[sample](../config/forgesyted.toml)", "[sample](../../../../etc/forgesyted/forgesyted.toml)"),
            ("no link ](../", "no link ](../"),
        ] {
            assert_eq!(in_package(page), expected);
        }
    }

    #[test]
    fn every_link_of_a_page_leads_to_something_of_the_package() {
        let docs = paths::root().join("docs");
        let pages = pages(&docs).unwrap();
        let pictures = files(&docs.join("images")).unwrap().into_iter().map(|(name, _)| format!("images/{name}"));
        let places: BTreeSet<String> = pages.iter().map(|(name, _)| name.clone()).chain(pictures).collect();
        assert!(places.contains("README.md") && places.contains("images/page-phone.png"), "{places:?}");
        let mut links = 0;
        for (place, page) in pages {
            // As in the test of the checkout's links: neither fenced blocks nor code have any.
            let prose: String = page.split("```").step_by(2).collect();
            let prose: String = prose.split('`').step_by(2).collect();
            for link in prose.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link) {
                let target = link.split('#').next().unwrap_or_default();
                let elsewhere = ELSEWHERE.iter().any(|(_, to)| *to == target);
                let there = target.is_empty() || link.contains("://") || elsewhere || places.contains(target);
                assert!(there, "{place} links to {link}");
                links += 1;
            }
        }
        assert!(links > 50);
    }
}
