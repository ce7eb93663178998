//! What the service may and may not do, as the kernel and systemd see it.

use forgesyted_tests::builder::measure_node;
use forgesyted_tests::{Appliance, frames, modules};

#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn the_exposure_is_two_at_most() {
    let appliance = Appliance::serving();
    assert!(appliance.exposure() <= 2.0);
    // Nothing in the unit was passed over as unknown. systemd 249 has words for other units too.
    let said = appliance.sh("systemd-analyze verify --man=no forgesyted.service forgesyted.socket 2>&1");
    assert!(!said.contains("forgesyted"), "{said}");
}

#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn the_kernel_holds_the_daemon_to_it() {
    let appliance = Appliance::serving();
    appliance.client("scene").ask(&frames::camera());
    let process = appliance.property("MainPID");
    let status = appliance.sh(&format!("cat /proc/{process}/status"));
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).expect(name);
        line.trim().to_owned()
    };
    for capabilities in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(field(capabilities), "0000000000000000", "{capabilities}");
    }
    assert_eq!((field("NoNewPrivs").as_str(), field("Seccomp").as_str()), ("1", "2"));
    let id = |of: &str| appliance.sh(&format!("id --{of} forgesyted"));
    assert!(field("Uid").split_whitespace().all(|uid| uid == id("user")));
    let groups = field("Groups");
    let member = |group: &str| {
        let gid = appliance.sh(&format!("getent group {group} | cut -d: -f3"));
        groups.split_whitespace().any(|of| of == gid)
    };
    assert!(member("video") && member("render"), "{groups}");
}

/// As systemd has loaded it; what a container's kernel makes of it differs.
#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn memory_and_tasks_have_a_limit() {
    let appliance = Appliance::installed();
    let number = |text: String| text.parse::<u64>().unwrap_or_else(|_| panic!("{text} is no number"));
    let unit = |key: &str| appliance.sh(&format!("sed -n 's/^{key}=//p' /usr/lib/systemd/system/forgesyted.service"));
    assert_eq!(appliance.property("TasksMax"), unit("TasksMax"));
    assert!(number(appliance.property("TasksMax")) > 0);
    // systemd says bytes: that share of the machine's memory, or of less where its own group has a limit.
    let share = number(unit("MemoryMax").trim_end_matches('%').to_owned());
    let memory = number(appliance.sh("echo $(($(getconf _PHYS_PAGES) * $(getconf PAGE_SIZE)))"));
    let limit = number(appliance.property("MemoryMax"));
    assert!(limit > 0 && limit <= memory * share / 100, "{limit} of {memory} bytes");
}

/// What the daemon's user can do in the daemon's own view of the file system.
#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn it_writes_its_own_folders_and_sees_no_home() {
    let appliance = Appliance::serving();
    appliance.sh("install -d -o forgesyted /home/forgesyted-test /tmp/forgesyted-test");
    let process = appliance.property("MainPID");
    let inside = |script: &str| {
        let enter =
            format!("nsenter --target {process} --mount setpriv --reuid=forgesyted --regid=forgesyted --init-groups");
        appliance.run(&format!("{enter} sh -c '{script}'")).status.success()
    };
    for writable in ["/var/lib/forgesyted", "/var/lib/forgesyted/models", "/var/cache/forgesyted", "/tmp"] {
        assert!(inside(&format!("touch {writable}/test && rm {writable}/test")), "{writable}");
    }
    for closed in ["/etc/forgesyted", "/usr/share/forgesyted", "/home/forgesyted-test", "/tmp/forgesyted-test"] {
        assert!(!inside(&format!("touch {closed}/test")), "{closed}");
    }
    assert!(!inside("test -e /home/forgesyted-test") && !inside("ls /root"));
    // Of others' processes it sees none.
    assert!(!inside("test -e /proc/1/status"));
    appliance.sh("rmdir /home/forgesyted-test /tmp/forgesyted-test");
}

/// The service's user may put models where they are found: root who checks them does not run them as root.
#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn roots_check_runs_models_as_the_services_user() {
    let appliance = Appliance::installed();
    let written = "/var/tmp/written-by-a-model";
    let code = format!("return float(torch.sum(torch.from_file(\"{written}\", True, 1)))");
    appliance.sh(&format!("rm -f {written}"));
    appliance.write("/var/lib/forgesyted/models/write.pt", modules::archive("write", &modules::module("float", &code)));
    appliance.write("/etc/forgesyted/pipelines.d/write.toml", format!("id = \"write\"\n{}", measure_node("write", "")));
    let checked = appliance.sh("cd /etc && forgesyted check --config forgesyted/forgesyted.toml");
    assert!(checked.contains("pipeline write "), "{checked}");
    assert_eq!(appliance.sh(&format!("stat --format=%U {written} && rm {written}")), "forgesyted");
}

/// libtorch compiles convolutions for the processor while they run.
#[test]
#[ignore = "runs in the container: cargo xtask test-appliance"]
fn compiled_operators_run_in_it() {
    let appliance = Appliance::installed();
    let convolution = "w = torch.ones([8, 3, 3, 3])\n\
                       y = torch.conv2d(x, w, None, [1, 1], [0, 0], [1, 1], 1)\n\
                       z = torch.relu(torch.matmul(torch.flatten(y, 2), torch.transpose(torch.flatten(y, 2), 1, 2)))\n\
                       return float(torch.max(y) + torch.sign(torch.sum(z)))";
    appliance
        .write("/var/lib/forgesyted/models/conv.pt", modules::archive("conv", &modules::module("float", convolution)));
    appliance.write("/etc/forgesyted/pipelines.d/conv.toml", format!("id = \"conv\"\n{}", measure_node("conv", "")));
    appliance.sh("systemctl start forgesyted");
    appliance.wait_ready();
    // 3 channels × 3 × 3 of a white picture, and the sign.
    let result = appliance.client("conv").ask(&frames::white());
    assert_eq!(result["conv"].as_f64(), Some(28.0), "{result}");
}
