//! The examples of the pages of node kinds load, with small modules whose outputs have the shapes that the pages name; and what
//! does not fit is refused as the pages say.

use base::config::Precision;
use engine::pipeline::LoadPlan;
use engine::pipeline::registry::{Loaded, PipelineRegistry};
use engine::pipeline::torch::Device;
use engine::telemetry::metrics::Metrics;
use forgesyted_tests::folder::Folder;
use forgesyted_tests::modules;

use crate::markdown::page;

fn load(folder: &Folder) -> Loaded {
    let plan = LoadPlan {
        dirs: vec![folder.path().to_owned()],
        model_dirs: Vec::new(),
        device: Device::Cpu,
        precision: Precision::Fp32,
    };
    PipelineRegistry::default().load(&plan, &Metrics::new("0", "0").unwrap())
}

/// Writes a module that returns the same for every picture.
fn constant(folder: &Folder, file: &str, returns: &str, expression: &str) {
    let source = modules::module(returns, &format!("return {expression}"));
    folder.write(file, modules::archive("constant", &source));
}

#[test]
fn the_examples_of_detect_and_segment_load() {
    let folder = Folder::new();
    constant(&folder, "yolo11n.torchscript", "Tensor", "torch.zeros([1, 7, 8400])");
    let masks = "(torch.zeros([1, 38, 8400]), torch.zeros([1, 32, 160, 160]))";
    constant(&folder, "yolov8n-seg.torchscript", "Tuple[Tensor, Tensor]", masks);
    constant(&folder, "deeplab.pt", "Dict[str, Tensor]", "{\"out\": torch.zeros([1, 3, 520, 520])}");
    folder.write("classes.txt", "cat\ndog\n");
    let examples = page("docs/nodes-detect.md").blocks("toml");
    assert_eq!(examples.len(), 3);
    for (number, example) in examples.iter().enumerate() {
        folder.write(format!("{number}.toml"), example);
    }
    let loaded = load(&folder);
    assert!(loaded.rejected.is_empty(), "{:?}", loaded.rejected);
    let ids: Vec<&String> = loaded.pipelines.keys().collect();
    assert_eq!(ids, ["ground", "outlines", "yard"]);
}

#[test]
fn what_does_not_fit_is_refused_with_what_to_do() {
    let folder = Folder::new();
    constant(&folder, "end2end.pt", "Tensor", "torch.zeros([1, 300, 6])");
    constant(&folder, "six.pt", "Tensor", "torch.zeros([1, 10, 8400])");
    constant(&folder, "seven.pt", "Tensor", "torch.full([1, 1, 6], 7.0)");
    let masks = "(torch.full([1, 38, 8400], -1.5), torch.zeros([1, 32, 160, 160]))";
    constant(&folder, "masks.pt", "Tuple[Tensor, Tensor]", masks);
    constant(&folder, "poses.pt", "Tensor", "torch.full([1, 8400, 56], 320.0)");
    let fussy = modules::module("Tensor", "ops.prim.RaiseException(\"640 wanted\")\nreturn x");
    folder.write("fussy.pt", modules::archive("fussy", &fussy));
    let size = "input_size = [320, 320]\n";
    let labels = "labels = [\"a\", \"b\", \"c\"]\n";
    let cases = [
        ("end2end.pt", "yolo", size.to_owned(), "tensor [1, 300, 6], and format = \"yolo\" expects"),
        ("six.pt", "yolo", size.to_owned() + labels, "labels has 3 names and the module has 6 classes"),
        (
            "masks.pt",
            "yolo",
            size.to_owned(),
            "sees 34 classes, and a score of one is -1.5, not 0 to 1; a segmentation export belongs",
        ),
        (
            "poses.pt",
            "yolov5",
            size.to_owned(),
            "tensor [1, 8400, 56], in which format = \"yolov5\" sees 51 classes, and a score",
        ),
        ("seven.pt", "yolo-end2end", size.to_owned() + labels, "class 7, and labels has 3 names"),
        ("fussy.pt", "yolo", size.to_owned(), "fails on a picture of 320x320 (its input_size): "),
        ("six.pt", "yolo", String::new(), "input_size is missing: "),
        ("six.pt", "torchvision", size.to_owned(), "input_size is not for this format"),
        ("six.pt", "yolo", size.to_owned() + labels + "classes = [\"cow\"]\n", "classes: \"cow\" is none of labels"),
        ("six.pt", "yolo", size.to_owned() + "score_threshold = 1.5\n", "score_threshold = 1.5: it is 0 to 1"),
        ("six.pt", "yolo", size.to_owned() + "labels = \"none.txt\"\n", "labels \"none.txt\" is not there"),
        ("six.pt", "yolov9000", size.to_owned(), "unknown variant `yolov9000`"),
    ];
    for (number, (model, format, more, _)) in cases.iter().enumerate() {
        let node =
            format!("[[node]]\nid = \"a\"\nkind = \"detect\"\nmodel = \"{model}\"\nformat = \"{format}\"\n{more}");
        folder.write(format!("{number}.toml"), format!("id = \"p{number}\"\n{node}"));
    }
    let loaded = load(&folder);
    assert_eq!(loaded.rejected.len(), cases.len(), "{:?}", loaded.rejected);
    for (number, (model, .., part)) in cases.iter().enumerate() {
        let file = folder.path().join(format!("{number}.toml"));
        let rejection = loaded.rejected.iter().find(|rejection| rejection.file == file).unwrap();
        assert!(rejection.reason.contains(part), "{model}: {}", rejection.reason);
    }
    let page = page("docs/nodes-detect.md").text;
    for part in [
        "labels has 80 names and the module has 6 classes",
        "class 7, and labels has 3 names",
        "input_size is missing",
        "and a score of one is -1.5, not 0 to 1",
    ] {
        assert!(page.contains(part), "the page does not say: {part}");
    }
}
