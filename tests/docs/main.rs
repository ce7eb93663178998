//! The documents stay true. Lives here: links and examples of the pages (`pages`), the tables that repeat what the code says
//! (`tables`), the examples of node kinds (`nodes`) and the pipelines of the page of pipelines (`examples`), the routes as a running daemon
//! answers them (`routes`), and the clients of the guide, run as they stand
//! there (`clients`, in a `browser` too, also against a daemon played by `scripted`; `outages`: while the daemon is off, ends or wants a
//! token), the lines of the log that `troubleshooting` is looked up by, what `discovery` announces, how a `token` is made, the `alerts`,
//! the examples of the `log` and of results on the `wire`, and the configurations of `proxies`. The tables of settings and metrics are
//! held by tests beside the code.

mod alerts;
mod browser;
mod clients;
mod discovery;
mod examples;
mod log;
mod markdown;
mod nodes;
mod outages;
mod pages;
mod proxies;
mod routes;
mod scripted;
mod tables;
mod token;
mod troubleshooting;
mod wire;
