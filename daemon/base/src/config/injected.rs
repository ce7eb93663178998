//! Variables that nobody set for the daemon: Kubernetes, and Docker's links, describe a service called `forgesyted` (or
//! `forgesyted-…`) to every container in variables that begin as ours do.

/// What begins a variable of the daemon.
const PREFIX: &str = "FORGESYTED_";
/// Protocols of a service's port.
const PROTOCOLS: [&str; 3] = ["TCP", "UDP", "SCTP"];

/// Whether this variable has the form of one that is injected. Judged by the value too where the name alone could be a misspelled
/// setting.
pub(super) fn is_injected(name: &str, value: &str) -> bool {
    let Some(rest) = name.strip_prefix(PREFIX) else { return false };
    // Of the service `forgesyted-yard` the words begin with `YARD`.
    let words: Vec<&str> = rest.split('_').collect();
    (0..words.len()).any(|start| words.get(start..).is_some_and(|words| is_form(words, value)))
}

fn is_form(words: &[&str], value: &str) -> bool {
    match words {
        ["SERVICE", "HOST"] => true,
        ["SERVICE", "PORT", name @ ..] => is_number(value) && name.iter().all(|word| !word.is_empty()),
        ["PORT"] => is_address(value),
        ["PORT", port, protocol, part @ ..] => {
            is_number(port) && PROTOCOLS.contains(protocol) && matches!(part, [] | ["ADDR" | "PORT" | "PROTO"])
        }
        // Of Docker's links: the name of the link, and the variables of the container at its other end.
        ["NAME"] => value.starts_with('/'),
        ["ENV", _, ..] => true,
        _ => false,
    }
}

fn is_number(text: &str) -> bool {
    text.parse::<u16>().is_ok()
}

fn is_address(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| PROTOCOLS.iter().any(|known| known.eq_ignore_ascii_case(scheme)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_kubernetes_and_docker_are_told_from_misspelled_settings() {
        for (name, value, expected) in [
            ("FORGESYTED_SERVICE_HOST", "10.0.0.11", true),
            ("FORGESYTED_SERVICE_PORT", "8000", true),
            ("FORGESYTED_SERVICE_PORT_HTTP_METRICS", "8000", true),
            ("FORGESYTED_PORT", "tcp://10.0.0.11:8000", true),
            ("FORGESYTED_PORT_8000_TCP", "tcp://10.0.0.11:8000", true),
            ("FORGESYTED_PORT_8000_TCP_ADDR", "10.0.0.11", true),
            ("FORGESYTED_PORT_8000_TCP_PORT", "8000", true),
            ("FORGESYTED_PORT_8000_UDP_PROTO", "udp", true),
            ("FORGESYTED_NAME", "/client/forgesyted", true),
            ("FORGESYTED_ENV_PATH", "/usr/bin", true),
            ("FORGESYTED_YARD_SERVICE_HOST", "10.0.0.12", true),
            ("FORGESYTED_YARD_PORT_8000_TCP_ADDR", "10.0.0.12", true),
            ("FORGESYTED_PORT", "8000", false),
            ("FORGESYTED_PORT", "http://10.0.0.11", false),
            ("FORGESYTED_NAME", "yard", false),
            ("FORGESYTED_SERVICE_PORT", "http", false),
            ("FORGESYTED_PORT_8000", "tcp://10.0.0.11:8000", false),
            ("FORGESYTED_PORT_HTTP_TCP", "x", false),
            ("FORGESYTED_TOKN", "s3cret", false),
            ("FORGESYTED_ENV", "x", false),
            ("FORGESYTED_", "", false),
            ("STREAM_SERVICE_HOST", "10.0.0.11", false),
        ] {
            assert_eq!(is_injected(name, value), expected, "{name}={value}");
        }
    }
}
