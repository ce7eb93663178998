//! What the manual pages say beyond the command line's own definition: files, exit statuses, examples, and where to read on.

/// One exit status.
pub struct Exit {
    /// The number, as text.
    pub status: &'static str,
    /// Of which command; `any` for all.
    pub of: &'static str,
    /// When it is given.
    pub meaning: &'static str,
}

const fn exit(status: &'static str, of: &'static str, meaning: &'static str) -> Exit {
    Exit { status, of, meaning }
}

/// Every exit status, in the order of docs/failure-modes.md, which repeats this table.
pub const EXITS: &[Exit] = &[
    exit("0", "serve", "Stopped by SIGTERM or SIGINT, or its terminal was closed."),
    exit("0", "check", "Everything is well."),
    exit(
        "1",
        "serve",
        "It could not start (`start_failed`), or its device is lost (`device_lost`). Starting it again may help.",
    ),
    exit("1", "check", "Something is wrong; the lines say what."),
    exit("0", "doctor", "No error; there may be warnings."),
    exit("1", "doctor", "At least one error; its line says what to do."),
    exit("0", "cameras", "The devices are listed, or the camera delivers."),
    exit("1", "cameras", "The devices cannot be listed, or the camera has a fault, as said."),
    exit("0", "run", "Every frame has a result; or whoever read the lines went away."),
    exit(
        "1",
        "run",
        "A path, a file or a frame had none, or a picture of one could not be drawn or written, as said; or nothing could be run.",
    ),
    exit("130", "run", "Interrupted: the frame in hand was finished. A second interrupt ends it at once."),
    exit("0", "bench", "Every frame has a result."),
    exit("1", "bench", "No report, or frames that failed."),
    exit("0", "load", "Every session ran to its end, and results came."),
    exit("1", "load", "No report, no results, or a session that ended early."),
    exit("2", "any", "The command line is wrong."),
    exit(
        "78",
        "serve",
        "The configuration is wrong (`config_rejected`), or libtorch is missing or does not fit (`libtorch_rejected`), or a \
         library of `engine.libraries` cannot be opened (`start_failed`), or the socket unit passes what cannot be listened on \
         (`start_failed`). Starting it again does not help.",
    ),
    exit(
        "128 + N",
        "serve",
        "A second stop signal, number N, came while it was stopping: 130 for SIGINT, 143 for SIGTERM.",
    ),
];

/// Files and folders of an installed package.
pub const FILES: &[(&str, &str)] = &[
    (
        "/etc/forgesyted/forgesyted.toml",
        "The configuration, read where no other is named. Every setting stands in it with its default.",
    ),
    ("/etc/forgesyted/pipelines.d/", "Pipelines of your own; one with the id of a shipped pipeline replaces that."),
    ("/etc/default/forgesyted", "The environment of the service; the place for a token."),
    ("/usr/share/forgesyted/pipelines/", "The pipelines that ship."),
    ("/usr/share/forgesyted/models/", "The models that ship."),
    ("/usr/share/forgesyted/replay/", "Clips for cameras that play files."),
    ("/var/lib/forgesyted/models/", "Models of your own."),
    ("/usr/lib/forgesyted/", "The program that runs models, and its libtorch."),
    ("/usr/share/doc/forgesyted/", "The documentation; begin with README.md."),
];

/// Variables of `serve` that are no settings: the service manager sets them, the last ones the operator.
pub const SERVICE_VARIABLES: &[(&str, &str)] = &[
    (
        "NOTIFY_SOCKET, WATCHDOG_USEC",
        "Where to tell that it is ready, reloads, stops and is alive, and how often; sd_notify(3).",
    ),
    ("LISTEN_FDS, LISTEN_PID", "The sockets that a socket unit passes; sd_listen_fds(3)."),
    (
        "JOURNAL_STREAM",
        "Tells that standard error is the journal's: the log is then written as its fields; systemd.exec(5).",
    ),
    (
        "OMP_WAIT_POLICY, GOMP_SPINCOUNT, KMP_BLOCKTIME, KMP_LIBRARY",
        "How libtorch's threads wait. Where none is set, OMP_WAIT_POLICY=PASSIVE is.",
    ),
];

/// One example.
pub struct Example {
    /// The page that it stands on: the command's words, or none for that of the whole program.
    pub page: &'static str,
    /// The command line.
    pub line: &'static str,
    /// What it does.
    pub about: &'static str,
}

const fn example(page: &'static str, line: &'static str, about: &'static str) -> Example {
    Example { page, line, about }
}

/// Every example; each is a command line that is understood.
pub const EXAMPLES: &[Example] = &[
    example("", "forgesyted doctor", "Says what this machine has, what is wrong, and what to do."),
    example("", "forgesyted run --pipeline scene photo.jpg", "Runs a pipeline on a picture, without the service."),
    example("serve", "forgesyted serve --config ./forgesyted.toml", "Runs the daemon in this terminal, until Ctrl-C."),
    example("check", "forgesyted check", "Checks what the service would start with."),
    example("check", "forgesyted check --config ./forgesyted.toml", "Checks a configuration before it is installed."),
    example("check", "forgesyted check --all", "Shows every setting, defaults too, and where each comes from."),
    example("doctor", "forgesyted doctor --json", "Gives the findings for a program."),
    example("cameras", "forgesyted cameras", "Lists the video devices with their stable names, sizes and rates."),
    example(
        "cameras test",
        "forgesyted cameras test /dev/video0 --seconds 10",
        "Captures from a device for ten seconds.",
    ),
    example("cameras test", "forgesyted cameras test yard", "Captures from a camera of the configuration."),
    example("run", "forgesyted run --pipeline scene yard.mp4 --stride 5", "Runs every fifth frame of a video."),
    example(
        "run",
        "forgesyted run --pipeline yolo_ocr --annotate drawn scans/",
        "Draws the results on the pictures of a folder.",
    ),
    example("bench", "forgesyted bench --pipeline scene --seconds 30", "Measures frames a second and each stage."),
    example("load", "forgesyted load --sessions 4 --fps 10", "Streams as four clients with ten frames a second each."),
    example(
        "load",
        "forgesyted load --url 'ws://board:8000/ws/video/stream?pipeline_id=scene' --json",
        "Loads another machine, and gives the report for a program.",
    ),
];

/// Where to read on: the page of the manual, and the page of the documentation.
pub const READ_ON: &[(&str, &str)] = &[
    ("", "/usr/share/doc/forgesyted/README.md"),
    ("serve", "/usr/share/doc/forgesyted/configuration.md"),
    ("check", "/usr/share/doc/forgesyted/failure-modes.md"),
    ("doctor", "/usr/share/doc/forgesyted/doctor.md"),
    ("cameras", "/usr/share/doc/forgesyted/cameras.md"),
    ("cameras test", "/usr/share/doc/forgesyted/cameras.md"),
    ("run", "/usr/share/doc/forgesyted/running-on-files.md"),
    ("bench", "/usr/share/doc/forgesyted/bench-command.md"),
    ("load", "/usr/share/doc/forgesyted/load-testing.md"),
];
