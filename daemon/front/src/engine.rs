//! The commands that run models: each finds the engine program and a libtorch for it, and becomes that program, or says in one
//! sentence why it cannot.

use std::process::ExitCode;

use base::command_line::{BAD_CONFIGURATION, EngineCommand, config_rejected, fail, print_rejected, serve};
use base::config::{Config, ConfigSource};
use base::launch::report::EngineRefused;
use base::launch::{self, Refusal};
use base::logging;

use crate::service_user;

/// Becomes the engine program for a command. Returns only where that cannot be.
pub fn run(command: EngineCommand) -> ExitCode {
    match command {
        EngineCommand::Serve(args) => serve(|| to_serve(&args.source())),
        EngineCommand::Check(args) => to_check(&args.config.source()),
        EngineCommand::Run(args) => to_say(&args.config.source()),
        EngineCommand::Bench(args) => to_say(&args.config.source()),
        EngineCommand::Inspect(args) => to_inspect(&args.source()),
    }
}

/// `serve`. Exit status 78 where it cannot be: neither a bad configuration nor a libtorch that does not fit is mended by trying
/// again. A machine that is short of something for now ends it with 1.
fn to_serve(source: &ConfigSource) -> ExitCode {
    if let Err(error) = logging::init(log::LevelFilter::Info) {
        return fail(&error);
    }
    logging::log_panics();
    let loaded = match source.read() {
        Ok(loaded) => loaded,
        Err(error) => return config_rejected(&error),
    };
    let refusal = become_engine(&loaded.config);
    if refusal.may_pass() {
        log::error!(event = "start_failed"; "{refusal}");
        return ExitCode::FAILURE;
    }
    log::error!(event = "libtorch_rejected"; "{refusal}");
    ExitCode::from(BAD_CONFIGURATION)
}

/// `check`, of an installation as the service's user.
fn to_check(source: &ConfigSource) -> ExitCode {
    if let Some(error) = service_user::become_it() {
        return fail(&error);
    }
    match source.read() {
        Ok(loaded) => println!("error    {}", become_engine(&loaded.config)),
        Err(error) => return print_rejected(&error),
    }
    ExitCode::FAILURE
}

/// `inspect`, which answers a program: with an [`EngineRefused`] where there is no engine.
fn to_inspect(source: &ConfigSource) -> ExitCode {
    let refusal = match source.read() {
        Ok(loaded) => become_engine(&loaded.config),
        Err(error) => return fail(&error),
    };
    let report = EngineRefused { refusal: refusal.to_string() };
    // A text: it can always be written.
    println!("{}", serde_json::to_string(&report).unwrap_or_default());
    ExitCode::FAILURE
}

/// `run` and `bench`, which say what is wrong on standard error.
fn to_say(source: &ConfigSource) -> ExitCode {
    match source.read() {
        Ok(loaded) => fail(&become_engine(&loaded.config)),
        Err(error) => fail(&error),
    }
}

/// Becomes the engine program, with this process's arguments. Returns only why it cannot.
fn become_engine(config: &Config) -> Refusal {
    let found = std::env::current_exe()
        .map_err(|error| Refusal::NoEngine { program: "forgesyted".into(), error })
        .and_then(|front| launch::find(&front, config.engine.libtorch.as_deref()));
    match found {
        // Its threads end with this program, the one that writes the log among them.
        Ok(engine) => {
            log::logger().flush();
            engine.become_it(std::env::args_os())
        }
        Err(refusal) => refusal,
    }
}
