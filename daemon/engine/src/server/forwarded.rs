//! Whose request it is: the address that a trusted proxy names in `X-Forwarded-For` or `Forwarded` (RFC 7239), or that of the
//! connection.
//!
//! Each proxy adds the address that it was called from at the end, so the list is read from its end for as long as the one who added
//! is trusted. What stands further left is what a client wrote itself.

use std::net::{IpAddr, SocketAddr};

use hyper::HeaderMap;
use hyper::header::{FORWARDED, HeaderName};
use ipnet::IpNet;

use super::headers::{are_quotes_closed, parts};
use crate::session::Peer;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Who sent a request that came from `connected`.
pub fn client(connected: Peer, headers: &HeaderMap, trusted: &[IpNet]) -> Peer {
    if !is_trusted(connected, trusted) {
        return connected;
    }
    let walk = |hops: Vec<Option<Peer>>| last_untrusted(connected, hops, trusted);
    let plain = || walk(plain_hops(headers));
    let standard = || walk(standard_hops(headers));
    match (headers.contains_key(X_FORWARDED_FOR), headers.contains_key(FORWARDED)) {
        (false, false) => connected,
        (true, false) => plain(),
        (false, true) => standard(),
        // A proxy that writes one of them passes on what its client wrote into the other: which is which, nobody knows.
        (true, true) => Some(plain()).filter(|peer| peer.address == standard().address).unwrap_or(connected),
    }
}

/// What `X-Forwarded-For` names. It has no quotes, and a proxy adds to whatever its client wrote: each comma separates, and what is
/// no text is one that nobody knows.
fn plain_hops(headers: &HeaderMap) -> Vec<Option<Peer>> {
    let lines = headers.get_all(X_FORWARDED_FOR).into_iter();
    let hops = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    let named = |hop| std::str::from_utf8(hop).ok().and_then(address);
    hops.filter(|hop| !hop.is_empty()).map(named).collect()
}

/// What `Forwarded` names. A line with a quoted string that has no end is nobody's: a client could begin one that takes in what
/// the proxy adds.
fn standard_hops(headers: &HeaderMap) -> Vec<Option<Peer>> {
    let hops = |line: &str| -> Vec<Option<Peer>> {
        parts(line, ',').map(str::trim).filter(|hop| !hop.is_empty()).map(forwarded_for).collect()
    };
    let lines =
        headers.get_all(FORWARDED).into_iter().map(|line| line.to_str().ok().filter(|line| are_quotes_closed(line)));
    lines.flat_map(|line| line.map_or_else(|| vec![None], hops)).collect()
}

/// From the end of the list, the first that is not trusted; the last one known where a proxy does not say.
fn last_untrusted(connected: Peer, hops: Vec<Option<Peer>>, trusted: &[IpNet]) -> Peer {
    let mut known = connected;
    for hop in hops.into_iter().rev() {
        match hop {
            Some(before) if is_trusted(known, trusted) => known = before,
            _ => break,
        }
    }
    known
}

fn is_trusted(peer: Peer, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&peer.address))
}

/// The address in an element of `Forwarded`; none where it is hidden or not given.
fn forwarded_for(element: &str) -> Option<Peer> {
    let pairs = parts(element, ';').filter_map(|pair| pair.split_once('='));
    let value =
        pairs.map(|(name, value)| (name.trim(), value.trim())).find(|(name, _)| name.eq_ignore_ascii_case("for"))?.1;
    address(value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value))
}

/// An address as proxies write them: with a port or without, IPv6 in brackets or bare.
fn address(text: &str) -> Option<Peer> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let socket = || text.parse::<SocketAddr>().ok().map(Peer::from);
    let alone = |address: IpAddr| Peer { address: address.to_canonical(), port: None };
    bare.parse().ok().map(alone).or_else(socket)
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn seen(connected: &str, lines: &[(HeaderName, &str)]) -> String {
        let trusted: Vec<IpNet> = ["10.0.0.0/8", "::1/128", "127.0.0.1/32"].map(|text| text.parse().unwrap()).into();
        let mut headers = HeaderMap::new();
        for (name, line) in lines {
            headers.append(name, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        client(Peer::from(connected.parse::<SocketAddr>().unwrap()), &headers, &trusted).to_string()
    }

    #[test]
    fn the_last_address_that_is_not_a_proxys_counts() {
        let plain = |connected: &str, lines: &[&str]| {
            seen(connected, &lines.iter().map(|line| (X_FORWARDED_FOR, *line)).collect::<Vec<_>>())
        };
        for (connected, lines, expected) in [
            ("10.0.0.1:5", &[][..], "10.0.0.1:5"),
            ("10.0.0.1:5", &["192.0.2.7"], "192.0.2.7"),
            ("10.0.0.1:5", &["192.0.2.7, 10.0.0.2"], "192.0.2.7"),
            ("10.0.0.1:5", &["198.51.100.1, 192.0.2.7", "10.0.0.2"], "192.0.2.7"),
            ("10.0.0.1:5", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("192.0.2.9:5", &["198.51.100.1"], "192.0.2.9:5"),
            ("10.0.0.1:5", &["192.0.2.7:4711"], "192.0.2.7:4711"),
            ("10.0.0.1:5", &["2001:db8::7"], "2001:db8::7"),
            ("10.0.0.1:5", &["[2001:db8::7]"], "2001:db8::7"),
            ("10.0.0.1:5", &["[2001:db8::7]:80"], "[2001:db8::7]:80"),
            ("10.0.0.1:5", &["192.0.2.7, unknown"], "10.0.0.1:5"),
            ("10.0.0.1:5", &["unknown, 192.0.2.7,"], "192.0.2.7"),
            ("10.0.0.1:5", &["<script>"], "10.0.0.1:5"),
            // A client's quotation mark, and bytes that are no text.
            ("10.0.0.1:5", &["\", 192.0.2.7"], "192.0.2.7"),
            ("10.0.0.1:5", &["\"198.51.100.1, 192.0.2.7, 10.0.0.2"], "192.0.2.7"),
            ("10.0.0.1:5", &["\u{e4}, 192.0.2.7"], "192.0.2.7"),
            ("10.0.0.1:5", &["192.0.2.7, \u{e4}"], "10.0.0.1:5"),
            ("[::1]:5", &["192.0.2.7"], "192.0.2.7"),
            ("[::ffff:10.0.0.1]:5", &["::ffff:192.0.2.7"], "192.0.2.7"),
        ] {
            assert_eq!(plain(connected, lines), expected, "{connected} {lines:?}");
        }
    }

    #[test]
    fn the_standard_header_is_read_too() {
        for (line, expected) in [
            ("for=192.0.2.7", "192.0.2.7"),
            ("For=\"[2001:db8::7]:4711\";proto=https", "[2001:db8::7]:4711"),
            ("proto=https;by=10.0.0.1; for = 192.0.2.7 , for=10.0.0.2", "192.0.2.7"),
            ("for=198.51.100.1, for=192.0.2.7;host=\"a,for=1.2.3.4;for=5.6.7.8\"", "192.0.2.7"),
            ("for=192.0.2.7, for=_hidden", "10.0.0.1:5"),
            ("for=192.0.2.7, proto=http", "10.0.0.1:5"),
            ("for=unknown", "10.0.0.1:5"),
            // A client's quotation mark would take in what the proxy adds.
            ("for=198.51.100.1;x=\", for=192.0.2.7", "10.0.0.1:5"),
            ("for=198.51.100.1;x=\", for=\"[2001:db8::7]\"", "10.0.0.1:5"),
        ] {
            assert_eq!(seen("10.0.0.1:5", &[(FORWARDED, line)]), expected, "{line}");
        }
    }

    #[test]
    fn of_two_headers_that_contradict_none_counts() {
        let both = |plain, standard| seen("10.0.0.1:5", &[(X_FORWARDED_FOR, plain), (FORWARDED, standard)]);
        assert_eq!(both("192.0.2.7", "for=192.0.2.7"), "192.0.2.7");
        assert_eq!(both("192.0.2.7", "for=198.51.100.1"), "10.0.0.1:5");
    }
}
