//! What the command says, and how it ends.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use forgesyted_tests::frames::{damaged, solid};
use forgesyted_tests::{Signal, modules};
use rustix::process::{Pid, kill_process};

use crate::ran::{builder, colours, run, video};

#[test]
fn only_the_named_pipeline_is_loaded_and_others_may_be_broken() {
    let builder = builder()
        .pipeline("lost", "[[node]]\nid = \"n\"\nkind = \"measure\"\nmodel = \"gone.pt\"\n")
        .file("pipelines/zz.toml", "no TOML")
        .file("a.jpg", solid(16, 8, [1, 2, 3]));
    assert_eq!(colours(&builder, &["a.jpg"]).status, Some(0));
    let ran = run(&builder, &["--pipeline", "yard", "a.jpg"]);
    assert_eq!((ran.status, ran.lines.len()), (Some(1), 0));
    assert!(ran.said.contains("there is no pipeline \"yard\": there are colour, lost, noop. "), "{}", ran.said);
    assert!(ran.said.contains("zz.toml is broken: line 1: "), "{}", ran.said);
    let ran = run(&builder, &["--pipeline", "lost", "a.jpg"]);
    assert!(ran.status == Some(1) && ran.said.contains("model \"gone.pt\" is not there"), "{ran:?}");
}

#[test]
fn a_path_without_frames_is_named_and_the_others_run() {
    let builder = builder()
        .file("a.jpg", solid(16, 8, [1, 2, 3]))
        .file("text.jpg", "no picture at all")
        .file("empty.mp4", "")
        .file("folder/notes.txt", "");
    let ran = colours(&builder, &["gone.jpg", "text.jpg", "empty.mp4", "folder", "/dev/null", "a.jpg", "a.jpg/b"]);
    assert_eq!((ran.status, ran.lines.len()), (Some(1), 1));
    for sentence in [
        "gone.jpg is not there; correct the path",
        "text.jpg is none of JPEG, PNG, MJPEG, AVI and MP4; convert it to one of these",
        "empty.mp4 is empty; copy or record it again",
        "folder has no file that ends in .jpg, .jpeg, .png, ",
        "/dev/null is neither a file nor a folder; give one of these",
        "a.jpg/b is not there; correct the path",
        "1 frames have a result; 6 files or frames have none, as said above",
    ] {
        assert!(ran.said.contains(&format!("forgesyted: {sentence}")), "{sentence}\n{}", ran.said);
    }
    // Nothing is loaded where nothing can run.
    let ran = run(&builder, &["--pipeline", "yard", "gone.jpg"]);
    assert_eq!(ran.said(), ["forgesyted: gone.jpg is not there; correct the path"]);
    assert_eq!(ran.status, Some(1));
}

#[test]
fn a_node_that_fails_on_a_frame_says_why_and_the_next_frame_runs() {
    let builder = builder()
        .measure("picky", &modules::raises_on_bright())
        .file("clip.mjpeg", [solid(16, 8, [255; 3]), solid(16, 8, [9; 3])].concat());
    let ran = run(&builder, &["--pipeline", "picky", "clip.mjpeg"]);
    assert_eq!((ran.status, ran.lines.len()), (Some(1), 1));
    assert_eq!(ran.lines[0]["frame_index"], 2);
    assert!(ran.said.contains("clip.mjpeg, frame 1: node \"picky\" failed: "), "{}", ran.said);
}

#[test]
fn pictures_are_drawn_into_a_folder() {
    let found = "return annotate(Dict[str, Any], {\"detections\": [annotate(Dict[str, Any], {\"box\": [40.0, 30.0, 150.0, 100.0], \
                 \"label\": \"thing\", \"score\": 0.75, \"class_id\": 0})]})";
    let builder = builder()
        .measure("boxes", &modules::module("Dict[str, Any]", found))
        .file("in/garden.jpg", solid(200, 120, [250; 3]))
        .file("file", "");
    let ran = run(&builder, &["--pipeline", "boxes", "--annotate", "out/drawn", "in", &video("colours.mp4")]);
    assert_eq!((ran.status, ran.said.as_str()), (Some(0), ""));
    let out = builder.path().join("out/drawn");
    let mut names: Vec<String> =
        fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let expected: Vec<String> = (2..=17).map(|at| format!("{at:06}-colours.jpg")).collect();
    assert_eq!((names[0].as_str(), &names[1..]), ("000001-garden.jpg", &expected[..]));
    let jpeg = fs::read(out.join("000001-garden.jpg")).unwrap();
    let drawn = turbojpeg::decompress(&jpeg, turbojpeg::PixelFormat::RGB).unwrap();
    let pixel = |x: usize, y: usize| &drawn.pixels[y * drawn.pitch + x * 3..][..3];
    assert_eq!((drawn.width, drawn.height), (200, 120));
    // The left edge of the box, and the inside of it.
    let spread = |pixel: &[u8]| pixel.iter().max().unwrap() - pixel.iter().min().unwrap();
    assert!(spread(pixel(40, 70)) > 40, "no coloured line: {:?}", pixel(40, 70));
    assert!(pixel(100, 80).iter().all(|level| *level > 230), "{:?}", pixel(100, 80));
    // A folder that cannot be made.
    let ran = run(&builder, &["--pipeline", "boxes", "--annotate", "file", "in"]);
    assert!(ran.status == Some(1) && ran.said.contains("file cannot be written ("), "{ran:?}");
}

#[test]
fn a_picture_that_cannot_be_drawn_costs_itself() {
    let long = "ä".repeat(120);
    let builder = builder()
        .file("clip.mjpeg", [damaged(), solid(16, 8, [9; 3])].concat())
        .file(&format!("{long}.jpg"), solid(16, 8, [9; 3]));
    // `noop` looks at no pixel: what is damaged shows when it is drawn.
    let ran = run(&builder, &["--pipeline", "noop", "--annotate", "out", "clip.mjpeg", &format!("{long}.jpg")]);
    assert_eq!((ran.status, ran.lines.len()), (Some(1), 3));
    assert!(
        ran.said()[0].starts_with("forgesyted: clip.mjpeg, frame 1: its picture cannot be drawn: "),
        "{}",
        ran.said
    );
    let mut names: Vec<String> = fs::read_dir(builder.path().join("out"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["000002-clip.jpg".to_owned(), format!("000003-{}.jpg", "ä".repeat(100))]);
}

#[test]
fn what_is_read_is_never_written_over() {
    let (first, second) = (solid(16, 8, [1, 2, 3]), solid(16, 8, [200; 3]));
    let builder =
        builder().file("a.jpg", &first).file("000001-a.jpg", &second).file("old/000001-a.jpg", "an older one");
    let ran = run(&builder, &["--pipeline", "noop", "--annotate", ".", "a.jpg", "000001-a.jpg"]);
    assert_eq!((ran.status, ran.lines.len()), (Some(1), 1));
    assert!(
        ran.said.contains("000001-a.jpg is among the files to run on; give --annotate another folder"),
        "{}",
        ran.said
    );
    assert_eq!(fs::read(builder.path().join("000001-a.jpg")).unwrap(), second);
    let ran = run(&builder, &["--pipeline", "noop", "--annotate", "old", "a.jpg"]);
    assert_eq!(ran.status, Some(0), "{}", ran.said);
    assert!(fs::read(builder.path().join("old/000001-a.jpg")).unwrap().starts_with(&[0xFF, 0xD8]));
}

#[test]
fn a_run_goes_on_where_nobody_reads_what_it_says() {
    let builder = builder().file("a.jpg", solid(16, 8, [1, 2, 3]));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = builder.words("run", &["--pipeline", "noop", "gone.jpg", "a.jpg"]).stderr(writer).output().unwrap();
    assert_eq!(
        (output.status.code(), output.stdout.as_slice()),
        (Some(1), &b"{\"frame_index\":1,\"result\":{}}\n"[..])
    );
}

#[test]
fn an_interrupt_ends_reading_that_brings_nothing() {
    // A frame, and then more zeros than are read in a test's time.
    let builder = builder().file("clip.mjpeg", solid(16, 8, [1, 2, 3]));
    let clip = fs::File::options().write(true).open(builder.path().join("clip.mjpeg")).unwrap();
    clip.set_len(1 << 40).unwrap();
    let mut command = builder.words("run", &["--pipeline", "noop", "clip.mjpeg"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.next().unwrap().unwrap();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn a_terminal_shows_how_far_it_is() {
    let builder = builder().file("clip.mjpeg", solid(16, 8, [1, 2, 3]));
    let clip = fs::File::options().write(true).open(builder.path().join("clip.mjpeg")).unwrap();
    clip.set_len(1 << 36).unwrap();
    let command = builder.words("run", &["--pipeline", "noop", "clip.mjpeg"]);
    // util-linux's script gives it a terminal of its own.
    let words: Vec<_> = [command.get_program()].into_iter().chain(command.get_args()).collect();
    let line = words.iter().map(|word| format!("'{}'", word.to_str().unwrap())).collect::<Vec<_>>().join(" ");
    let mut terminal = Command::new("script");
    terminal.args(["--quiet", "--return", "--command", &line, "/dev/null"]).env("TERM", "xterm");
    terminal.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    terminal.current_dir(command.get_current_dir().unwrap_or(builder.path()));
    let mut terminal = terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut shown, mut bytes) = (Vec::new(), BufReader::new(terminal.stdout.take().unwrap()).bytes());
    while !String::from_utf8_lossy(&shown).contains("1 frames, ") {
        shown.push(bytes.next().expect("the bar says how many frames were run").unwrap());
    }
    assert!(String::from_utf8_lossy(&shown).contains("{\"frame_index\":1,"), "results are shown too");
    // Ctrl-C, as somebody types it.
    terminal.stdin.take().unwrap().write_all(b"\x03").unwrap();
    bytes.by_ref().for_each(drop);
    assert_eq!(terminal.wait().unwrap().code(), Some(130));
}

#[test]
fn a_reader_that_has_enough_ends_the_run_quietly() {
    let many = solid(16, 8, [1, 2, 3]).repeat(20_000);
    let builder = builder().file("clip.mjpeg", many);
    let mut command = builder.words("run", &["--pipeline", "noop", "clip.mjpeg"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("{\"frame_index\":1,"));
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap()), (Some(0), String::new()));
    // A full disk is another matter.
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = builder.words("run", &["--pipeline", "noop", "clip.mjpeg"]).stdout(full).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && said.contains("standard output cannot be written: "), "{said}");
}

#[test]
fn an_interrupt_ends_it_behind_a_whole_line() {
    // Far more lines than a pipe holds: it cannot end before it is read.
    let frames = 20_000;
    let builder = builder().file("clip.mjpeg", solid(16, 8, [1, 2, 3]).repeat(frames));
    let mut command = builder.words("run", &["--pipeline", "colour", "clip.mjpeg"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.next().unwrap().unwrap();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("interrupted after ") && rest.len() + 1 < frames, "{} lines; {said}", rest.len() + 1);
    assert!(rest.iter().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
}
