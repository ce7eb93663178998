//! The web page and the client module: how they are served, and that they work.

mod assets;
mod board;
mod client;
mod node;
mod page;
