//! Pictures of a folder are run one after another: whatever lies beside a sound one, its result is what it is alone.

use forgesyted_tests::Builder;
use forgesyted_tests::builder::measure_node;
use forgesyted_tests::frames::{from_fn, synthetic};
use serde_json::Value;

use crate::make;
use crate::ran::{builder, run};

/// Pictures that are refused, each in another way, and sound ones of other kinds.
fn neighbours() -> Vec<Vec<u8>> {
    let photo = synthetic(96, 64);
    let cut = [&photo[..photo.len() / 2], &[0xFF, 0xD9]].concat();
    let with = |segment: &[u8]| [&photo[..2], segment, &photo[2..]].concat();
    let tables = photo.windows(2).position(|bytes| bytes == [0xFF, 0xDB]).unwrap();
    let length = usize::from(u16::from_be_bytes([photo[tables + 2], photo[tables + 3]]));
    vec![
        cut,
        with(&[0xFF, 0x02, 0, 2]),
        with(&[0xFF, 0xC4, 0, 4, 0x77, 0x77]),
        with(&[0xFF, 0xDB, 0, 3, 0x0F]),
        // Without a quantisation table.
        [&photo[..tables], &photo[tables + 2 + length..]].concat(),
        vec![0xFF, 0xD8, 0xFF, 0xD9],
        Vec::new(),
        b"no picture at all".to_vec(),
        make::grey_jpeg(180, (33, 17)),
        make::cmyk_jpeg([255, 128, 0, 255], (32, 16)),
        make::progressive_jpeg([40, 160, 90], (48, 32)),
    ]
}

fn sound(at: usize) -> Vec<u8> {
    let level = |value: usize| u8::try_from(value % 256).unwrap();
    from_fn(60 + at * 7, 40 + at * 3, |x, y| [level(x * 4 + at * 50), level(y * 6), level(at * 80)])
}

/// The results of `sound` pictures, in their order.
fn results(builder: &Builder, folder: &str) -> Vec<Value> {
    let ran = run(builder, &["--pipeline", "yard", "--paths", folder]);
    let of_sound = |line: &&Value| line["path"].as_str().unwrap().contains("sound");
    ran.lines.iter().filter(of_sound).map(|line| line["result"].clone()).collect()
}

#[test]
fn a_pictures_result_is_what_it_is_alone() {
    let neighbours = neighbours();
    let mut builder = builder().pipeline("yard", &measure_node("colour", "input_size = [24, 24]"));
    for (at, neighbour) in neighbours.iter().enumerate() {
        let name = |folder: &str, place: &str| format!("{folder}/{at:02}_{place}.jpg");
        builder = builder
            .file(&name("mixed", "a_neighbour"), neighbour)
            .file(&name("mixed", "b_sound"), sound(at))
            .file(&name("clean", "b_sound"), sound(at));
    }
    let (mixed, clean) = (results(&builder, "mixed"), results(&builder, "clean"));
    assert_eq!(clean.len(), neighbours.len());
    assert_eq!(mixed, clean);
    for (at, expected) in clean.iter().enumerate().take(3) {
        assert_eq!(results(&builder, &format!("clean/{at:02}_b_sound.jpg")), std::slice::from_ref(expected));
    }
}

#[test]
fn a_picture_that_is_refused_moves_no_nodes_turn() {
    // Where one of two nodes is due: between their turns nobody looks at a picture.
    let due = [1, 3, 4, 5, 7, 9, 10, 11];
    let slower = "[[node]]\nid = \"slower\"\nkind = \"measure\"\nmodel = \"colour.pt\"\nevery = 3\n";
    let mut builder = builder().pipeline("yard", &format!("{}{slower}", measure_node("colour", "every = 2")));
    for at in 1..=12 {
        builder = builder
            .file(&format!("clean/{at:02}_b_sound.jpg"), sound(at))
            .file(&format!("mixed/{at:02}_b_sound.jpg"), sound(at));
    }
    for (at, neighbour) in due.into_iter().zip(neighbours()) {
        builder = builder.file(&format!("mixed/{at:02}_a_refused.jpg"), neighbour);
    }
    let clean = results(&builder, "clean");
    let carried = |at: usize| clean[at - 1].get("carried").map_or(0, |nodes| nodes.as_array().unwrap().len());
    assert!((1..=12).all(|at| (carried(at) < 2) == due.contains(&at)), "{clean:?}");
    assert_eq!(results(&builder, "mixed"), clean);
    assert_eq!(run(&builder, &["--pipeline", "yard", "mixed"]).lines.len(), 12, "no refused picture has a result");
}
