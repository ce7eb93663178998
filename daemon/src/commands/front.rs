//! The commands that run models, as the front has them: each finds the engine program and a libtorch for it, and becomes that
//! program, or says in one sentence why it cannot.

/// `forgesyted serve`.
pub mod serve {
    use std::process::ExitCode;

    use super::super::{BAD_CONFIGURATION, config_rejected, fail};
    use crate::config::ConfigSource;
    use crate::telemetry::logging;

    /// Becomes the daemon. Exit status 78 where that cannot be: neither a bad configuration nor a libtorch that does not fit
    /// is mended by trying again. A machine that is short of something for now ends it with 1.
    pub fn run(source: ConfigSource) -> ExitCode {
        if let Err(error) = logging::init(log::LevelFilter::Info) {
            return fail(&error);
        }
        logging::log_panics();
        let loaded = match source.read() {
            Ok(loaded) => loaded,
            Err(error) => return config_rejected(&error),
        };
        let refusal = super::become_engine(&loaded.config);
        if refusal.may_pass() {
            log::error!(event = "start_failed"; "{refusal}");
            return ExitCode::FAILURE;
        }
        log::error!(event = "libtorch_rejected"; "{refusal}");
        ExitCode::from(BAD_CONFIGURATION)
    }
}

/// `forgesyted check`.
pub mod check {
    use std::process::ExitCode;

    use super::super::{fail, print_rejected, service_user};
    use crate::config::ConfigSource;

    /// Becomes the checking program, of an installation as the service's user, with the same arguments. Exit status 1 where that
    /// cannot be.
    pub fn run(source: &ConfigSource, _all: bool) -> ExitCode {
        if let Some(error) = service_user::become_it() {
            return fail(&error);
        }
        match source.read() {
            Ok(loaded) => println!("error    {}", super::become_engine(&loaded.config)),
            Err(error) => return print_rejected(&error),
        }
        ExitCode::FAILURE
    }
}

/// `forgesyted inspect`.
pub mod inspect {
    use std::process::ExitCode;

    use super::super::{fail, report::EngineRefused};
    use crate::config::ConfigSource;

    /// Becomes the engine program, which prints its report. Where that cannot be, prints an [`EngineRefused`]; exit status 1.
    pub fn run(source: &ConfigSource) -> ExitCode {
        let refusal = match source.read() {
            Ok(loaded) => super::become_engine(&loaded.config),
            Err(error) => return fail(&error),
        };
        let report = EngineRefused { refusal: refusal.to_string() };
        // A text: it can always be written.
        println!("{}", serde_json::to_string(&report).unwrap_or_default());
        ExitCode::FAILURE
    }
}

use std::process::ExitCode;

use super::fail;
use crate::config::{Config, ConfigSource};
use crate::launch::{self, Refusal};

/// Becomes the engine program for a command that says what is wrong on standard error: `run`, `bench`. Exit status 1
/// where that cannot be.
pub fn become_it(source: &ConfigSource) -> ExitCode {
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
