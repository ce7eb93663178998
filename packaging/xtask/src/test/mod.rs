//! `cargo xtask test`: every test, with the tools that some of them need.
//!
//! Lives here: the models of the reference (`reference`), the tree that a test moves and runs, and
//! the call of `cargo test`, then of the checks of the packages (`crate::deb`) and the tests that need another machine (`crate::vm`,
//! `crate::appliance`, `crate::arm64`).
//! The tests themselves live beside the code and in `tests/`; they learn from the variables below what there is.

mod reference;

use anyhow::Result;

use crate::cargo::{self, Profile};
use crate::packages::{self, For};
use crate::skip::skip;
use crate::tools::{self, NODE_PATH_VARIABLE};
use crate::{appliance, arm64, deb, dist, paths, setup, shell, vm};

/// The path of promtool, which checks the metrics.
pub const PROMTOOL_VARIABLE: &str = "FORGESYTED_TEST_PROMTOOL";
/// The `PYTHONPATH` with which `python3` can run the client guide.
pub const PYTHONPATH_VARIABLE: &str = "FORGESYTED_TEST_PYTHONPATH";
/// The folder with the models that `tests/reference/make.py` made.
pub const REFERENCE_VARIABLE: &str = "FORGESYTED_TEST_REFERENCE";
/// The path of a Chromium, which runs the client guide's JavaScript.
pub const CHROMIUM_VARIABLE: &str = "FORGESYTED_TEST_CHROMIUM";
/// The folder of a tree as `dist` makes it, with programs of the dev profile.
pub const DIST_VARIABLE: &str = "FORGESYTED_TEST_DIST";

/// Sets up, gets the tools, lays out `target/dist-dev` and runs `cargo test` with these arguments; without any, then
/// makes and checks the packages, and runs the tests in the VM and of the installed packages: in the container, and in a
/// Debian for arm64.
///
/// # Errors
/// When a tool cannot be had, the build or a test fails.
pub fn test(arguments: &[String]) -> Result<()> {
    setup::setup(For::Test)?;
    // First: tests of the packaging use the same tools.
    let can_pack = packages::ensure(For::DebCheck);
    let promtool = tools::promtool()?;
    let python = tools::python_packages()?;
    let node = match tools::check_node() {
        Ok(()) => Some(tools::node_packages()?),
        Err(error) => skip("the tests of the client and of the page", error).map(|()| None)?,
    };
    let reference = if runs_reference(arguments) { reference::models().map(Some) } else { Ok(None) };
    let tree = paths::target().join("dist-dev");
    // Tests and daemon in one go: with the same features, nothing is built twice.
    let built = shell::step("building the daemon and the tests", || {
        cargo::build(Profile::Dev, &["--workspace", "--bins", "--tests"])
    })?;
    dist::lay_out(&built, &tree)?;

    let mut test = cargo::command("test");
    if arguments.is_empty() {
        // One run names everything that fails.
        test.arg("--no-fail-fast");
    }
    if !selects_packages(arguments) {
        test.arg("--workspace");
    }
    test.args(arguments).env(PROMTOOL_VARIABLE, promtool).env(PYTHONPATH_VARIABLE, python).env(DIST_VARIABLE, &tree);
    if let Some(node) = node {
        test.env(NODE_PATH_VARIABLE, node);
    }
    match reference {
        Ok(None) => {}
        Ok(Some(models)) => _ = test.env(REFERENCE_VARIABLE, models),
        // Half a dozen gigabytes are more than some machines have to spare; CI has them.
        Err(error) => skip("the comparison with the reference's numbers", error)?,
    }
    if let Some(chromium) = packages::chromium() {
        test.env(CHROMIUM_VARIABLE, chromium);
    }
    shell::step("cargo test", || shell::run(&mut test))?;
    // Arguments choose among the tests of cargo; the others have commands of their own.
    if arguments.is_empty() {
        let packages = deb::after_tests(&built, can_pack)?;
        vm::after_tests(&built, &tree, packages.as_ref())?;
        if let Some(packages) = packages {
            appliance::after_tests(&built, &packages)?;
        }
        arm64::after_tests(&built)?;
    }
    Ok(())
}

/// Whether these arguments for `cargo test` already say which packages; `--workspace` would overrule them.
fn selects_packages(arguments: &[String]) -> bool {
    let cargos = arguments.iter().take_while(|argument| *argument != "--");
    cargos.into_iter().any(|argument| {
        let long = ["--package", "--workspace", "--all", "--manifest-path"];
        argument.starts_with("-p") || long.iter().any(|name| argument.split('=').next() == Some(name))
    })
}

/// Whether the test `reference` may be among those that these arguments choose. Its models are too much to fetch for others.
fn runs_reference(arguments: &[String]) -> bool {
    let cargos: Vec<&str> = arguments.iter().map(String::as_str).take_while(|argument| *argument != "--").collect();
    let after = |name: &'static str| cargos.windows(2).filter(move |pair| pair[0] == name).map(|pair| pair[1]);
    let tests: Vec<&str> =
        after("--test").chain(cargos.iter().filter_map(|argument| argument.strip_prefix("--test="))).collect();
    if !tests.is_empty() {
        return tests.contains(&"reference");
    }
    let elsewhere = cargos.iter().any(|argument| ["--lib", "--bin", "--bins", "--doc"].contains(argument));
    let all = !selects_packages(arguments) || cargos.contains(&"--workspace") || cargos.contains(&"--all");
    !elsewhere && (all || cargos.iter().any(|argument| argument.ends_with("forgesyted-tests")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_workspace_unless_packages_are_named() {
        let selects = |line: &str| selects_packages(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        for line in ["-p xtask", "-pxtask", "--package=xtask --lib", "--lib --workspace"] {
            assert!(selects(line), "{line}");
        }
        for line in ["", "--lib", "overload", "--release -- -p"] {
            assert!(!selects(line), "{line}");
        }
    }

    #[test]
    fn the_references_models_are_made_for_their_test_alone() {
        let runs = |line: &str| {
            let words = line.split(' ').filter(|word| !word.is_empty());
            runs_reference(&words.map(str::to_owned).collect::<Vec<_>>())
        };
        for line in
            ["", "--workspace", "-p forgesyted-tests", "-p forgesyted-tests --test reference", "--test=reference"]
        {
            assert!(runs(line), "{line}");
        }
        for line in
            ["-p forgesyted", "-p forgesyted --lib", "--lib", "-p forgesyted-tests --test connect", "-p xtask -- x"]
        {
            assert!(!runs(line), "{line}");
        }
    }
}
