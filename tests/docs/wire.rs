//! Examples of results, held against what the shipped programs answer: the same keys and kinds of values and, since each is of
//! a picture that is known, the same numbers.

use std::fs;

use forgesyted_tests::modules::module;
use forgesyted_tests::{Builder, Daemon, frames, sources};
use serde_json::Value;

use crate::markdown::page;

/// The picture that the examples of `scene` are of.
fn photo() -> Vec<u8> {
    fs::read(sources::root().join("tests/reference/pictures/landscape.jpg")).unwrap()
}

/// A folder with the shipped pipelines and that picture, as `garden.jpg`.
fn shipped() -> Builder {
    let share = |folder: &str| sources::root().join("config").join(folder).display().to_string();
    Daemon::builder()
        .file("garden.jpg", photo())
        .env("FORGESYTED_PIPELINE_DIRS", share("pipelines"))
        .env("FORGESYTED_MODEL_DIRS", share("models"))
}

/// The JSON example of a page that has this in it.
fn example(name: &str, part: &str) -> Value {
    let blocks = page(name).blocks("json");
    let [block] = &blocks.iter().filter(|block| block.contains(part)).collect::<Vec<_>>()[..] else {
        panic!("{name}: one example with {part:?} is expected")
    };
    serde_json::from_str(block).unwrap()
}

/// Fails unless both have the same form, and numbers that differ by what another processor's order of summing may change.
fn assert_like(shown: &Value, wire: &Value) {
    match (shown, wire) {
        (Value::Object(shown_map), Value::Object(wire_map)) => {
            assert!(shown_map.keys().eq(wire_map.keys()), "shown {shown}\non the wire {wire}");
            shown_map.iter().zip(wire_map).for_each(|((_, shown), (_, wire))| assert_like(shown, wire));
        }
        (Value::Array(shown_list), Value::Array(wire_list)) => {
            assert_eq!(shown_list.len(), wire_list.len(), "shown {shown}\non the wire {wire}");
            shown_list.iter().zip(wire_list).for_each(|(shown, wire)| assert_like(shown, wire));
        }
        (Value::Number(shown_number), Value::Number(wire_number)) if shown_number.is_f64() => {
            let (a, b) = (shown_number.as_f64().unwrap(), wire_number.as_f64().unwrap());
            assert!(wire_number.is_f64() && (a - b).abs() <= 2e-3 * a.abs(), "shown {shown}, on the wire {wire}");
            let digits = wire.to_string().chars().filter(char::is_ascii_digit).collect::<String>();
            assert!(digits.trim_start_matches('0').len() <= 6, "{wire} has more than six digits");
        }
        _ => assert_eq!(shown, wire),
    }
}

#[test]
fn scene_answers_as_the_pages_show() {
    let builder = shipped();
    let output = builder.words("run", &["--pipeline", "scene", "garden.jpg"]).output().unwrap();
    let line: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    assert_like(&example("docs/running-on-files.md", "\"brightness\""), &line);
    let daemon = builder.start();
    let mut client = daemon.client("scene");
    client.send(&photo());
    let reply = client.recv();
    assert_like(&example("README.md", "\"brightness\""), &reply);
    assert_like(&example("docs/pipelines-shipped.md", "\"brightness\""), &reply["result"]);
    assert_eq!(line, reply, "the same by both ways");
}

#[test]
fn a_carried_output_is_marked_as_the_page_shows() {
    let finds = module("Dict[str, Any]", "return annotate(Dict[str, Any], {\"detections\": annotate(List[int], [])})");
    let measures = module("Dict[str, Any]", "return annotate(Dict[str, Any], {\"brightness\": torch.mean(x)})");
    let nodes = "[[node]]\nid = \"find\"\nkind = \"measure\"\nmodel = \"find.pt\"\nevery = 5\n\
                 [[node]]\nid = \"bright\"\nkind = \"measure\"\nmodel = \"bright.pt\"\n";
    let daemon = Daemon::builder().model("find", &finds).model("bright", &measures).pipeline("yard", nodes).start();
    let mut client = daemon.client("yard");
    let grey = frames::solid(32, 32, [117; 3]);
    client.ask(&grey);
    assert_like(&example("docs/pipelines.md", "\"carried\""), &client.ask(&grey));
}

/// The Python module of the page, as TorchScript.
#[test]
fn the_example_module_gives_what_the_page_shows() {
    let brightness = module(
        "Dict[str, Tensor]",
        "return annotate(Dict[str, Tensor], {\"brightness\": torch.mean(x), \"rgb\": torch.mean(x, [0, 2, 3])})",
    );
    let daemon = Daemon::builder().measure("brightness", &brightness).start();
    let wire = daemon.client("brightness").ask(&frames::solid(32, 32, [129, 117, 103]));
    assert_like(&example("docs/pipelines.md", "\"rgb\""), &wire);
}
