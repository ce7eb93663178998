//! The embedded files as they are served: headers, caching, size, and that they lead to no other host.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use forgesyted_tests::http::{self, Answer};
use forgesyted_tests::{Daemon, sources};

/// Most bytes of all files together that a browser loads.
const BUDGET: u64 = 82_000;

/// Every file of `daemon/web`, with the path that it is served under.
fn files() -> Vec<(String, PathBuf)> {
    let top = sources::root().join("daemon/web");
    let mut found = Vec::new();
    let mut folders = vec![top.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(&top).unwrap().to_str().unwrap();
            // Of the crate; and what tells Node, for the tests, that these scripts are modules.
            if ["Cargo.toml", "lib.rs", "package.json"].contains(&name) {
                continue;
            }
            let served = if name == "index.html" { "/".to_owned() } else { format!("/{name}") };
            found.push((served, path));
        }
    }
    assert!(found.len() >= 4);
    found
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn content_type(file: &Path) -> &'static str {
    if file.to_string_lossy().ends_with(".d.ts") {
        return "text/plain; charset=utf-8";
    }
    match file.extension().and_then(|end| end.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        other => panic!("what is a file of {other:?} to be served as?"),
    }
}

#[test]
fn every_file_is_served_as_it_is_and_as_what_it_is() {
    let daemon = Daemon::builder().start();
    for (path, file) in files() {
        let answer = daemon.get(&path);
        assert_eq!(answer.status, 200, "{path} stands in no line of server/web.rs");
        assert!(answer.bytes == fs::read(&file).unwrap(), "{path}");
        assert_eq!(header(&answer, "content-type"), Some(content_type(&file)), "{path}");
        assert_eq!(header(&answer, "x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(header(&answer, "referrer-policy"), Some("no-referrer"), "{path}");
        assert_eq!(header(&answer, "cache-control"), Some("no-cache"), "{path}");
        let shared = path.starts_with("/client/");
        assert_eq!(header(&answer, "access-control-allow-origin"), shared.then_some("*"), "{path}");
        assert_eq!(header(&answer, "content-security-policy").is_none(), shared, "{path}");
        let head = http::request(daemon.address(), "HEAD", &path, "");
        assert_eq!((head.status, head.bytes.len()), (200, 0), "{path}");
        assert_eq!(header(&head, "content-length"), header(&answer, "content-length"), "{path}");
    }
    for path in ["/index.html", "/client", "/client/", "/client/../index.html", "/client/%66orgesyte.js", "/page", "//"]
    {
        let answer = daemon.get(path);
        assert_eq!((answer.status, header(&answer, "access-control-allow-origin")), (404, None), "{path}");
        assert!(answer.body.contains("GET /v1"), "{}", answer.body);
    }
    assert!(daemon.get("/v1").body.contains("/v1/board"));
}

#[test]
fn the_policy_lets_the_page_load_from_and_talk_to_this_daemon_alone() {
    let daemon = Daemon::builder().start();
    let answer = daemon.get("/");
    let policy = header(&answer, "content-security-policy").unwrap();
    let directives: BTreeSet<&str> = policy.split("; ").collect();
    let expected = BTreeSet::from([
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "connect-src 'self' ws://test wss://test",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]);
    assert_eq!(directives, expected);
}

#[test]
fn what_a_browser_has_is_not_sent_again() {
    let daemon = Daemon::builder().start();
    let mut tags = BTreeSet::new();
    for (path, _) in files() {
        let first = daemon.get(&path);
        let tag = header(&first, "etag").unwrap();
        let with = |known: &str| http::request(daemon.address(), "GET", &path, &format!("If-None-Match: {known}\r\n"));
        let again = with(tag);
        assert_eq!((again.status, again.bytes.len()), (304, 0), "{path}");
        for name in ["etag", "cache-control", "content-security-policy", "access-control-allow-origin"] {
            assert_eq!(header(&again, name), header(&first, name), "{path}: {name}");
        }
        assert_eq!(with("\"of an older daemon\"").bytes, first.bytes, "{path}");
        tags.insert(tag.to_owned());
    }
    assert_eq!(tags.len(), files().len(), "each content has its own tag");
}

#[test]
fn page_and_module_need_no_token_and_show_no_secret() {
    let daemon = Daemon::builder().env("FORGESYTED_TOKEN", "s3cret").start();
    for (path, _) in files() {
        assert_eq!(daemon.get(&path).status, 200, "{path}");
    }
    assert_eq!(daemon.get("/v1/board").status, 401);
}

#[test]
fn names_with_html_in_them_stay_text() {
    let name = "<script>alert(1)</script>";
    let builder = Daemon::builder()
        .file("pipelines/x.toml", format!("id = \"x\"\nname = \"{name}\"\n[[node]]\nid = \"n\"\nkind = \"noop\"\n"));
    let daemon = builder.start();
    let answer = daemon.get("/v1/pipelines");
    assert!(answer.body.contains(name), "{}", answer.body);
    assert_eq!(header(&answer, "content-type"), Some("application/json"));
    for path in ["/v1/pipelines", "/v1/board", "/metrics", "/healthz", "/%3Cscript%3E"] {
        assert_eq!(header(&daemon.get(path), "x-content-type-options"), Some("nosniff"), "{path}");
    }
}

#[test]
fn all_files_together_are_small() {
    let sizes: Vec<(String, u64)> =
        files().iter().map(|(path, file)| (path.clone(), file.metadata().unwrap().len())).collect();
    // No browser loads the types: they are for those who build on the module.
    let sum: u64 = sizes.iter().filter(|(path, _)| !path.ends_with(".d.ts")).map(|(_, size)| size).sum();
    assert!(sum < BUDGET, "{sum} bytes: {sizes:#?}");
}

#[test]
fn no_file_leads_to_another_host() {
    // Names of XML dialects, which nothing is loaded from; and the host of the examples.
    let harmless = ["http://www.w3.org/2000/svg", "http://board:8000"];
    for (path, file) in files() {
        let text = fs::read_to_string(&file).unwrap();
        let text = harmless.iter().fold(text, |text, known| text.replace(known, ""));
        for scheme in ["http://", "https://", "ws://", "wss://"] {
            for (at, _) in text.match_indices(scheme) {
                let host = text[at + scheme.len()..].chars().next().unwrap_or(' ');
                assert!(!host.is_alphanumeric(), "{path} names another host: {}", &text[at..].lines().next().unwrap());
            }
        }
        for needle in ["src=\"//", "href=\"//", "url(//", "from \"//", "import(\"//", "@import"] {
            assert!(!text.contains(needle), "{path} has {needle}");
        }
        // What the policy would refuse, and what shows a stranger's text as markup.
        for needle in [
            "<script>",
            "<style",
            "style=\"",
            " onclick=",
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
        ] {
            assert!(!text.contains(needle), "{path} has {needle}");
        }
    }
}
