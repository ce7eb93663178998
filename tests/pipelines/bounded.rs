//! What a module returns is counted while it is read out of libtorch: whatever it is, it costs the memory that the module itself
//! takes, and little more, and is refused with a sentence.

use forgesyted_tests::builder::measure_node;
use forgesyted_tests::modules::module;
use forgesyted_tests::{Builder, Daemon, frames};
use serde_json::Value;

/// What the daemon may need beside the module: buffers, a log line, what the C library keeps.
const LITTLE: u64 = 64 << 20;

/// Outputs that are far too large on white frames: a name, the type, the lines that make `made` of `n`, and what `n` is.
const HUGE: [(&str, &str, &str, u64); 4] = [
    // Doubled as often as it takes to a gigabyte.
    ("text", "str", "made = \"x\"\nwhile len(made) < n:\n  made = made + made", 1 << 30),
    ("floats", "List[float]", "made = torch.mul([0.5], n)", 10_000_000),
    ("ints", "List[int]", "made = torch.mul([7], n)", 10_000_000),
    (
        "dict",
        "Dict[str, int]",
        "made = annotate(Dict[str, int], {})\nfor i in range(n):\n  torch._set_item(made, str(i), i)",
        600_000,
    ),
];

/// A module that makes one of [`HUGE`], on frames brighter than `above`, and returns it, or only how long it is.
fn maker((_, kind, makes, most): (&str, &str, &str, u64), above: f32, returned: bool) -> String {
    let body = format!("n = 1\nif float(torch.mean(x)) > {above}:\n  n = {most}\nelse:\n  n = 1\n{makes}");
    match returned {
        true => module(kind, &format!("{body}\nreturn made")),
        false => module("int", &format!("{body}\nreturn len(made)")),
    }
}

/// A daemon after one white frame: what the frame's session ended with, the most memory and what is left.
fn after_white(source: &str, ends: bool) -> (u64, u64) {
    let daemon = Daemon::builder().measure("huge", source).start();
    let mut client = daemon.client("huge");
    // Others are small.
    client.ask(&frames::black());
    if ends {
        client.send(&frames::white());
        client.ends_in("pipeline_failure", 1011);
        let why = daemon.events().wait_for("pipeline_failure")["err"].as_str().unwrap().to_owned();
        assert!(why.contains("more than 4096 numbers") || why.contains("bytes of JSON"), "{why}");
        daemon.client("huge").ask(&frames::black());
    } else {
        client.ask(&frames::white());
        client.ask(&frames::black());
    }
    (daemon.peak_bytes(), daemon.resident_bytes())
}

#[test]
fn a_huge_output_costs_what_the_module_takes_and_is_given_back() {
    for huge in HUGE {
        let (made_most, made_left) = after_white(&maker(huge, 0.9, false), false);
        let (most, left) = after_white(&maker(huge, 0.9, true), true);
        assert!(most < made_most + LITTLE, "{}: {most} bytes at most, {made_most} to make it", huge.0);
        assert!(left < made_left + LITTLE, "{}: {left} bytes are left, {made_left} after making it", huge.0);
    }
}

/// The reason for which the pipeline `huge` is left out at load, and the most memory.
fn refused(builder: Builder) -> (String, u64) {
    let daemon = builder.start();
    let rejected = daemon.events().of_kind("pipeline_rejected").pop().expect("a pipeline that is left out");
    (rejected["err"].as_str().unwrap().to_owned(), daemon.peak_bytes())
}

#[test]
fn so_it_is_at_load_and_beside_float32() {
    let [(name, kind, makes, most), floats, ..] = HUGE;
    // A part of it, since the module that is allowed runs many times at load.
    let text = (name, kind, makes, most / 16);
    for (huge, precision) in [(floats, "fp32"), (text, "bf16")] {
        let pipeline = |returned| {
            let settings = format!("precision = \"{precision}\"");
            let source = maker(huge, 0.0, returned);
            Daemon::builder().model("huge", &source).pipeline("huge", &measure_node("huge", &settings))
        };
        let made_most = pipeline(false).start().peak_bytes();
        let (why, most) = refused(pipeline(true));
        assert!(why.contains("more than 4096 numbers") || why.contains("bytes of JSON"), "{why}");
        assert!(most < made_most + LITTLE, "{} in {precision}: {most} bytes at most, {made_most} to make it", huge.0);
    }
}

#[test]
fn whatever_is_too_much_is_refused_with_a_sentence() {
    let (numbers, bytes, levels) = ("more than 4096 numbers", "bytes of JSON", "more than 64 levels");
    let nested = |kind: &str, makes: &str| (kind.to_owned(), makes.to_owned());
    let any = |makes: &str| nested("List[Any]", &format!("made = annotate(List[Any], [])\n{makes}\nreturn made"));
    let cases = [
        (nested("Tensor", "return torch.zeros([4097])"), numbers),
        (nested("Tensor", "return torch.expand(torch.zeros([1]), [1000000000000])"), numbers),
        (nested("Tensor", "return torch.zeros([100000000, 0])"), numbers),
        (nested("List[Tensor]", "return [torch.zeros([4000]), torch.zeros([97])]"), numbers),
        (nested("List[Tensor]", "return torch.mul([torch.zeros([0])], 1000000)"), bytes),
        (nested("List[bool]", "return torch.mul([True], 4097)"), numbers),
        (nested("List[List[float]]", "return torch.mul([torch.mul([0.5], 1000)], 10000)"), numbers),
        (nested("List[List[float]]", "return torch.mul([annotate(List[float], [])], 10000000)"), bytes),
        (nested("List[str]", "return torch.mul([\"word\"], 10000000)"), bytes),
        (nested("Tuple[str, List[str]]", "return (\"a\", torch.mul([\"words\"], 150000))"), bytes),
        (
            nested(
                "Dict[str, str]",
                "made = \"x\"\nwhile len(made) < 1048576:\n  made = made + made\nreturn {made: \"y\"}",
            ),
            bytes,
        ),
        (nested("Dict[int, int]", "return {1: 2}"), "keys that are no strings"),
        (any("_0 = torch.append(made, made)"), levels),
        (any("for i in range(100):\n  _0 = torch.append(made, annotate(List[Any], [made]))"), levels),
        (any("for i in range(1000):\n  made = annotate(List[Any], [made])"), levels),
        (nested("Tensor", "return torch.reshape(torch.mean(x), torch.mul([1], 65))"), levels),
        (nested("Tensor", "return torch.reshape(torch.mean(x), torch.mul([1], 100000))"), levels),
        (nested("Device", "return torch.device(\"cpu\")"), "no JSON form"),
    ];
    let mut builder = Daemon::builder();
    for (at, ((kind, body), _)) in cases.iter().enumerate() {
        let id = format!("case{at:02}");
        builder = builder.measure(&id, &module(kind, body));
    }
    let daemon = builder.start();
    let rejected = daemon.events().of_kind("pipeline_rejected");
    let why = |at: usize| {
        let file = format!("case{at:02}.toml");
        let of_file = |line: &&Value| line["file"].as_str().is_some_and(|path| path.ends_with(&file));
        rejected.iter().find(of_file).map_or_else(|| "it loaded".to_owned(), |line| line["err"].to_string())
    };
    let wrong: Vec<String> = (0..cases.len())
        .filter(|&at| !why(at).contains(cases[at].1))
        .map(|at| format!("{:?}: {}", cases[at].0, why(at)))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(daemon.client("noop").ask(&frames::white()), serde_json::json!({}));
}

#[test]
fn what_is_within_the_limits_comes_whole() {
    let text = module("str", "made = \"xé\"\nwhile len(made) < 500000:\n  made = made + made\nreturn made");
    let levels = module(
        "List[Any]",
        "made = annotate(List[Any], [])\nfor i in range(60):\n  made = annotate(List[Any], [made])\nreturn made",
    );
    let daemon = Daemon::builder()
        .measure("text", &text)
        .measure("zero", &module("str", "return torch.add(\"a\\000b\", \"c\")"))
        .measure("numbers", &module("List[float]", "return torch.mul([0.5], 4096)"))
        .measure("flags", &module("Tuple[bool, None, List[bool]]", "return (True, None, [False, True])"))
        .measure("levels", &levels)
        .start();
    let ask = |id: &str| daemon.client(id).ask(&frames::black())[id].clone();
    assert!(ask("text").as_str().unwrap().starts_with("xéxé"));
    assert_eq!(ask("numbers").as_array().unwrap().len(), 4096);
    assert_eq!(ask("flags"), serde_json::json!([true, null, [false, true]]));
    assert_eq!(ask("levels").to_string(), format!("{}{}", "[".repeat(61), "]".repeat(61)));
    assert_eq!(ask("zero"), "a\0bc");
}

#[test]
fn a_huge_error_is_cut() {
    let raises =
        "made = \"x\"\nwhile len(made) < 100000000:\n  made = made + made\nops.prim.RaiseException(made)\nreturn 1";
    let (why, _) = refused(Daemon::builder().measure("raises", &module("int", raises)));
    assert!(why.len() < 2000, "{} characters", why.len());
}

#[test]
fn nodes_that_work_on_outputs_read_no_more_either() {
    let settings = "format = \"yolo-end2end\"\ninput_size = [64, 64]";
    let detect = format!("[[node]]\nid = \"look\"\nkind = \"detect\"\nmodel = \"look.pt\"\n{settings}\n");
    for (kind, body, said) in [
        ("List[float]", "return torch.mul([0.5], 10000000)", "bytes of JSON"),
        ("Tensor", "return torch.expand(torch.zeros([1, 1, 6]), [1, 100000000, 6])", "numbers are taken"),
        ("List[Tensor]", "return torch.mul([torch.zeros([1000000])], 1000)", "numbers are taken"),
    ] {
        let (why, most) = refused(Daemon::builder().model("look", &module(kind, body)).pipeline("look", &detect));
        assert!(why.contains(said), "{why}");
        assert!(most < 1 << 30, "{most} bytes");
    }
}
