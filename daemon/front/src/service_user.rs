//! Running a program as the service's user, for root: with the rights and the variables that the service has, and with none of
//! root's.

use std::path::Path;
use std::process::Command;
use std::{io, os::unix::process::CommandExt};

use super::doctor::accounts::Service;

/// Starts a program as another user; in util-linux, which every Debian has.
const SETPRIV: &str = "/usr/bin/setpriv";
/// The program of the package.
const INSTALLED: &str = "/usr/bin/forgesyted";
/// Where programs are looked for; systemd gives services the same.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// `program` as the service's user, with that one's groups, in a folder that everybody may see. It has these variables and
/// `PATH`, and none of this process's. Give absolute paths; more arguments may follow.
///
/// The variables get their names behind the change of user. `LD_LIBRARY_PATH` and its kind would have `setpriv` itself, still as
/// root, run whatever lies in folders that others may write. The values are never arguments: any user can read those of any process.
pub fn command(service: &Service, program: &Path, variables: &[(String, String)]) -> Command {
    let mut command = Command::new(SETPRIV);
    let groups = service.gids.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    command.arg(format!("--reuid={}", service.uid)).arg(format!("--regid={}", service.gid));
    command.arg(format!("--groups={groups}")).arg("--no-new-privs").arg("--");
    command.env_clear().env("PATH", PATH).current_dir("/");
    let mut script = String::new();
    for (number, (name, value)) in variables.iter().filter(|(name, value)| is_variable(name, value)).enumerate() {
        command.env(format!("SET_{number}"), value);
        script += &format!("export {name}=\"$SET_{number}\"; unset SET_{number}; ");
    }
    command.args(["/bin/sh", "-c"]).arg(script + "exec \"$0\" \"$@\"").arg(program);
    command
}

/// Becomes this very command as the service's user, where root has started the installed program: that user may put models where
/// they are found, and no model is to run with root's rights. Returns where there is nothing to become, or why it cannot.
pub fn become_it() -> Option<io::Error> {
    let program = std::env::current_exe().ok().filter(|program| program == Path::new(INSTALLED))?;
    let service = Service::gather(Path::new("/")).filter(|_| rustix::process::geteuid().is_root())?;
    let variables: Vec<_> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let mut command = command(&service, &program, &variables);
    command.args(std::env::args_os().skip(1));
    // Paths in the arguments start here.
    if let Ok(folder) = std::env::current_dir() {
        command.current_dir(folder);
    }
    let error = command.exec();
    Some(io::Error::new(error.kind(), format!("cannot check as the service's user: {SETPRIV}: {error}")))
}

/// Whether that can be a variable; systemd, too, passes over what it does not take for one.
pub fn is_variable(name: &str, value: &str) -> bool {
    let letters = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars().all(letters) && name.starts_with(|c: char| !c.is_ascii_digit()) && !value.contains('\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(variables: &[(&str, &str)]) -> Vec<(String, String)> {
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_user_is_changed_before_anything_else_is_done() {
        let service = Service { uid: 998, gid: 997, gids: vec![44, 997] };
        let variables = pairs(&[("LD_LIBRARY_PATH", "/t"), ("FORGESYTED_TOKEN", "secret"), ("A B;x", "1"), ("", "1")]);
        let mut command = command(&service, Path::new("/l/bin/forgesyted"), &variables);
        command.arg("inspect");
        assert_eq!(command.get_program(), SETPRIV);
        let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
        let script = "export LD_LIBRARY_PATH=\"$SET_0\"; unset SET_0; export FORGESYTED_TOKEN=\"$SET_1\"; unset SET_1; \
                      exec \"$0\" \"$@\"";
        let expected =
            ["--reuid=998", "--regid=997", "--groups=44,997", "--no-new-privs", "--", "/bin/sh", "-c", script];
        assert_eq!(words, [&expected[..], &["/l/bin/forgesyted", "inspect"]].concat());
        let names: Vec<_> = command.get_envs().map(|(name, _)| name.to_string_lossy()).collect();
        assert_eq!(names, ["PATH", "SET_0", "SET_1"], "what setpriv has, as root");
    }

    #[test]
    fn the_program_has_the_variables_and_no_others() {
        let service = Service { uid: 65534, gid: 65534, gids: vec![44, 65534] };
        let variables = pairs(&[("LD_DEBUG_OUTPUT", "a \"b\" $c `d`\\"), ("PATH", "/p"), ("LC_ALL", "C")]);
        let mut given = command(&service, Path::new("/usr/bin/env"), &variables);
        // Who is not root cannot change the user: the same without that.
        let root = rustix::process::geteuid().is_root();
        let mut rest = Command::new("/bin/sh");
        rest.args(given.get_args().skip(6)).env_clear();
        rest.envs(given.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let output = if root { &mut given } else { &mut rest }.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let mut lines: Vec<_> = text.lines().filter(|line| !line.starts_with("PWD=")).collect();
        lines.sort_unstable();
        assert_eq!(lines, ["LC_ALL=C", "LD_DEBUG_OUTPUT=a \"b\" $c `d`\\", "PATH=/p"], "{output:?}");
    }
}
