//! What the VM runs: a script that brings the host's folders to their places and starts a program.

use std::path::{Path, PathBuf};

use super::VM_VARIABLE;

/// What runs in the VM; all paths are absolute and free of links.
#[derive(Debug)]
pub(super) struct Guest {
    /// The checkout: tests look for their data in it.
    pub checkout: PathBuf,
    /// The tree with the daemon and libtorch.
    pub tree: PathBuf,
    /// The program: the tests, or the benchmark.
    pub program: PathBuf,
    /// Variables that tell it where files and folders are, such as the daemon to start.
    pub variables: Vec<(&'static str, PathBuf)>,
    /// Its arguments.
    pub arguments: Vec<String>,
}

impl Guest {
    /// The folders of the host that it needs, none within another.
    pub fn shares(&self) -> Vec<PathBuf> {
        let mut wanted = vec![self.checkout.clone(), self.tree.clone()];
        let folder =
            |path: &Path| if path.is_dir() { Some(path.to_path_buf()) } else { path.parent().map(Path::to_path_buf) };
        let named = self.variables.iter().map(|(_, path)| path).chain([&self.program]);
        wanted.extend(named.filter_map(|path| folder(path)));
        wanted.sort();
        // Sorted, a folder stands right before what lies in it.
        wanted.dedup_by(|inner, outer| inner.starts_with(outer));
        wanted
    }

    /// The script for the VM's shell, which sees the shares as file systems `share0`, `share1`, … of type 9p.
    pub fn script(&self) -> String {
        let mut lines = vec!["set -eu".to_owned()];
        for (number, share) in self.shares().iter().enumerate() {
            let place = quoted(&share.to_string_lossy());
            // The host changes nothing while the VM runs: let the VM keep what it has read.
            let options = "trans=virtio,version=9p2000.L,ro,cache=loose,msize=1048576";
            lines.push(format!("mkdir -p {place} && mount -t 9p -o {options} share{number} {place}"));
        }
        let mut export = |name: &str, path: PathBuf| {
            lines.push(format!("export {name}={}", quoted(&path.to_string_lossy())));
        };
        export(VM_VARIABLE, "1".into());
        for (name, path) in &self.variables {
            export(name, path.clone());
        }
        // The tree has every library, wherever the program would look for them.
        export("LD_LIBRARY_PATH", self.tree.join("lib"));
        export("RUST_BACKTRACE", "1".into());
        lines.push(format!("cd {}", quoted(&self.checkout.join("tests").to_string_lossy())));
        let program = self.program.to_string_lossy();
        let words = [&*program].into_iter().chain(self.arguments.iter().map(String::as_str)).map(quoted);
        lines.push(format!("exec {}", words.collect::<Vec<_>>().join(" ")));
        lines.join("\n") + "\n"
    }
}

/// A word for the shell that means itself.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(tree: &str, program: &str) -> Guest {
        let arguments = vec!["--quick".to_owned(), "it's one word".to_owned()];
        let (tree, program) = (tree.into(), program.into());
        let variables = vec![("DAEMON", "/src/it/target/dist-dev/bin/forgesyted".into())];
        Guest { checkout: "/src/it".into(), tree, program, variables, arguments }
    }

    #[test]
    fn a_folder_within_another_is_not_shared_twice() {
        let inside = guest("/src/it/target/dist-dev", "/src/it/target/debug/deps/vm-1");
        assert_eq!(inside.shares(), [Path::new("/src/it")]);
        let mut elsewhere = guest("/src/it-target/dist-dev", "/big/deps/vm-1");
        elsewhere.variables = vec![("DAEMON", "/src/it-target/dist-dev/bin/forgesyted".into())];
        assert_eq!(elsewhere.shares(), ["/big/deps", "/src/it", "/src/it-target/dist-dev"].map(Path::new));
    }

    #[test]
    fn the_script_mounts_and_runs() {
        let script = guest("/src/it/target/dist-dev", "/src/it/target/debug/deps/vm-1").script();
        let lines: Vec<_> = script.lines().collect();
        assert!(lines[1].starts_with("mkdir -p '/src/it' && mount -t 9p -o "), "{script}");
        assert!(lines[1].ends_with(" share0 '/src/it'"), "{script}");
        assert!(lines.contains(&"export DAEMON='/src/it/target/dist-dev/bin/forgesyted'"), "{script}");
        let last = r"exec '/src/it/target/debug/deps/vm-1' '--quick' 'it'\''s one word'";
        assert_eq!(lines.last(), Some(&last));
    }
}
