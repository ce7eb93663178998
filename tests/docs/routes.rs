//! The routes that `docs/endpoints.md` lists, asked of a running daemon.

use std::collections::BTreeSet;

use forgesyted_tests::{Daemon, frames, http};
use serde_json::Value;

use crate::markdown::{code, page};

#[test]
fn routes_answer_as_the_page_says() {
    let daemon = Daemon::builder()
        .env("FORGESYTED_TOKEN", "s3cret")
        .replay("NAME", &[frames::white()], "pipeline = \"noop\"")
        .start();
    let get = |route: &str, headers: &str| http::status(daemon.address(), "GET", route, headers);
    for row in page("docs/endpoints.md").table("route") {
        let route = code(&row[0]);
        if !route.starts_with('/') {
            assert_eq!(daemon.get("/no/such/path").status.to_string(), row[2]);
            continue;
        }
        let statuses: Vec<&str> = row[2].split(", ").collect();
        let status = get(route, "").to_string();
        assert!(statuses.contains(&status.as_str()), "{route}: {status}");
        let needs_token = route.starts_with("/v1/");
        assert_eq!(status == "401", needs_token, "{route}");
        assert!(!needs_token || row[3] == "yes", "{route}");
        if needs_token {
            assert_eq!(get(route, "Authorization: Bearer s3cret\r\n"), 200, "{route}");
            assert_eq!(get(&format!("{route}?token=s3cret"), ""), 200, "{route}");
        }
        assert_eq!(http::request(daemon.address(), "POST", route, "").status, 405);
    }
    assert!(code(&page("docs/endpoints.md").table("line")[0][0]).starts_with("starting"));
}

#[test]
fn lists_have_the_keys_of_the_examples() {
    let refused = "[[node]]\nid = \"find\"\nkind = \"track\"\n";
    let daemon = Daemon::builder().replay("yard", &[frames::white()], "").pipeline("yard", refused).start();
    daemon.wait_camera("yard", "up");
    let mut client = daemon.client("noop");
    client.ask(&frames::camera());
    let examples: Vec<Value> = ["docs/endpoints.md", "docs/cameras.md"]
        .map(page)
        .iter()
        .flat_map(|page| page.blocks("json"))
        .collect::<Vec<_>>()
        .iter()
        .map(|block| serde_json::from_str(block).unwrap())
        .collect();
    for list in ["pipelines", "sessions", "cameras"] {
        let example = examples.iter().find(|example| example[list].is_array()).expect(list);
        let answer = daemon.get(&format!("/v1/{list}")).json();
        assert_eq!(keys(&answer), keys(example));
        let (found, shown) = (answer[list].get(0), example[list].get(0));
        assert_eq!(found.map(keys), shown.map(keys), "{list}");
        for part in ["asked", "agreed"] {
            let part_of = |value: Option<&Value>| value.and_then(|value| value.get(part)).map(keys);
            assert_eq!(part_of(found), part_of(shown), "{list}: {part}");
        }
        let noop = |list: &Value| list["pipelines"].as_array().and_then(|all| all.first().cloned());
        assert_eq!(noop(&answer).map(|noop| noop["nodes"].clone()), noop(example).map(|noop| noop["nodes"].clone()));
        for key in ["rejected", "rejections"] {
            let without_kept = |list: &Value| list[key].to_string().replace("true", "false");
            assert_eq!(without_kept(&answer), without_kept(example), "{list}: {key}");
        }
    }
}

#[test]
fn the_board_has_the_keys_of_the_example() {
    let daemon = Daemon::builder().start();
    let blocks = page("docs/endpoints.md").blocks("json");
    let examples = blocks.iter().map(|block| serde_json::from_str::<Value>(block).unwrap());
    let example = examples.into_iter().find(|example| example.get("uptime_s").is_some()).unwrap();
    let board = daemon.get("/v1/board").json();
    assert_eq!(keys(&board), keys(&example));
    for part in ["sessions", "cameras", "cpu", "memory"] {
        assert_eq!(keys(&board[part]), keys(&example[part]), "{part}");
    }
}

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap_or_else(|| panic!("no object: {value}")).keys().cloned().collect()
}
