//! `forgesyted run` and `bench` through the front.

use forgesyted_tests::frames;

use crate::installation::Installation;

#[test]
fn files_are_run_and_measured_through_the_front() {
    let Some(installation) = Installation::whole() else { return };
    let jpeg = installation.folder.write("garden.jpg", frames::camera());
    let jpeg = jpeg.to_str().unwrap();
    let run = installation.run(&["run", "--pipeline", "scene", jpeg]);
    let said = String::from_utf8(run.stdout).unwrap();
    assert!(run.status.success() && said.starts_with("{\"frame_index\":1,\"result\":{\"brightness\":"), "{said}");
    let bench = installation.run(&["bench", "--pipeline", "noop", "--frames", "5"]);
    assert!(bench.status.success(), "{bench:?}");
    assert!(String::from_utf8(bench.stdout).unwrap().starts_with("pipeline noop, "));

    let Some(bare) = Installation::without_libtorch() else { return };
    let refused = bare.run(&["run", "--pipeline", "scene", jpeg]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(1) && said.starts_with("forgesyted: there is no libtorch in "), "{said}");
}
