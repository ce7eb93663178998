//! The limits: what this machine can do at best without the daemon. Each runs as a process of its own, so that memory,
//! cores and start count as they do for the daemon.

pub mod bare_server;
pub mod plain_loop;

use anyhow::Result;
use tch::{Device, Kind, Tensor};

/// A limit, as this program's hidden command.
#[derive(Debug, clap::Subcommand)]
pub enum Limit {
    /// A WebSocket server that answers and does nothing else
    #[command(hide = true)]
    BareServer,
    /// Decode and forward, without a network
    #[command(hide = true)]
    PlainLoop(plain_loop::Args),
    /// Load libtorch, make a tensor, end
    #[command(hide = true)]
    LoadLibtorch,
}

impl Limit {
    /// Runs it to its end.
    ///
    /// # Errors
    /// Why it could not.
    pub fn run(&self) -> Result<()> {
        match self {
            Limit::BareServer => bare_server::run(),
            Limit::PlainLoop(args) => plain_loop::run(args),
            Limit::LoadLibtorch => {
                let _tensor = Tensor::f_zeros([1], (Kind::Float, Device::Cpu))?;
                Ok(())
            }
        }
    }
}
