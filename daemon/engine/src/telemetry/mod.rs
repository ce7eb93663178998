//! What the daemon measures of itself: every metric series and the small structs that hand them out.
//!
//! Not here: when something is counted; each room does that where it happens. The HTTP route `/metrics` belongs to `server`,
//! messages to systemd to `systemd`, the log to `base::logging`.

mod camera_metrics;
mod families;
mod log_metrics;
mod machine_metrics;
pub mod metrics;
mod pipeline_metrics;
pub mod stage;

#[cfg(test)]
mod tests;
