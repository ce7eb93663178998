//! What the daemon says about itself: log lines, metrics, and the state of the machine.
//!
//! Here: the log's output and its level, every metric series and the small structs that hand them out, the readings
//! of `/sys` and `/proc`.
//!
//! Not here: when something is logged or counted; each room does that where it happens. The HTTP route `/metrics`
//! belongs to `server`, messages to systemd to `systemd`.

#[cfg(feature = "engine")]
mod camera_metrics;
pub mod clock;
#[cfg(feature = "engine")]
pub mod clocks;
mod json_line;
#[cfg(feature = "engine")]
mod log_metrics;
mod log_output;
mod log_queue;
pub mod logging;
pub mod machine;
#[cfg(feature = "engine")]
mod machine_metrics;
#[cfg(feature = "engine")]
pub mod metrics;
#[cfg(feature = "engine")]
pub mod rate_limited;
#[cfg(feature = "engine")]
pub mod stage;

#[cfg(feature = "engine")]
#[cfg(test)]
mod tests;
