//! Serves the web page and the client module, which are embedded in the program (the crate `web`).
//!
//! The page trusts nothing but this daemon: its Content-Security-Policy lets no script, style, picture or connection of
//! another host in, and nobody put it in a frame. The client module may be imported by anybody's page.

use std::sync::LazyLock;

use bytes::Bytes;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, HOST, HeaderMap, HeaderName,
    HeaderValue, IF_NONE_MATCH, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};

use super::headers::members;
use super::reply::{Reply, reply};

/// The assets' tags, in their order.
static TAGS: LazyLock<Vec<HeaderValue>> = LazyLock::new(|| web::ASSETS.iter().map(|asset| tag(asset.body)).collect());

/// The answer to a request for a file of the page or the module; none where there is no such file.
pub fn answer(path: &str, headers: &HeaderMap) -> Option<Reply> {
    let at = web::ASSETS.iter().position(|asset| asset.path == path)?;
    let (asset, tag) = (web::ASSETS.get(at)?, TAGS.get(at)?);
    let mut reply = if is_known(headers, tag) {
        let mut unchanged = Response::default();
        *unchanged.status_mut() = StatusCode::NOT_MODIFIED;
        unchanged
    } else {
        reply(StatusCode::OK, asset.content_type, Bytes::from_static(asset.body))
    };
    let mut set = |name: HeaderName, value: HeaderValue| reply.headers_mut().insert(name, value);
    // Asked again each time, and answered in a few bytes: after an update, no page runs with the script of the day before.
    set(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    set(ETAG, tag.clone());
    set(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    set(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if path.starts_with("/client/") {
        set(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        set(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("cross-origin"));
    } else {
        set(CONTENT_SECURITY_POLICY, policy(headers));
        set(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin"));
        set(HeaderName::from_static("permissions-policy"), HeaderValue::from_static("camera=(self), microphone=()"));
    }
    Some(reply)
}

/// The Content-Security-Policy. Older browsers do not take `'self'` for WebSockets of the page's own host: it is named.
fn policy(headers: &HeaderMap) -> HeaderValue {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).filter(|host| is_plain_host(host));
    let sockets = host.map(|host| format!(" ws://{host} wss://{host}")).unwrap_or_default();
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; \
         connect-src 'self'{sockets}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// A name or an IPv4 address, with a port or without: what a policy can name. It has no form for IPv6 addresses, for which
/// `'self'` has to do; and nothing else that came with the request gets into it.
fn is_plain_host(host: &str) -> bool {
    let (name, port) = host.split_once(':').unwrap_or((host, "0"));
    let plain = |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '-');
    !name.is_empty() && name.chars().all(plain) && !port.is_empty() && port.chars().all(|c| c.is_ascii_digit())
}

/// Whether the client already has what this tag stands for.
fn is_known(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    members(headers, IF_NONE_MATCH).any(|candidate| {
        candidate == "*" || candidate.strip_prefix("W/").unwrap_or(candidate).as_bytes() == tag.as_bytes()
    })
}

/// A tag that is another one when the content is (FNV-1a, 64 bits).
fn tag(content: &[u8]) -> HeaderValue {
    let hash = content
        .iter()
        .fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3));
    HeaderValue::from_str(&format!("\"{hash:016x}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connects_to(host: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_str(host).unwrap());
        let policy = policy(&headers).to_str().unwrap().to_owned();
        let directive = policy.split("; ").find(|directive| directive.starts_with("connect-src")).unwrap();
        directive.to_owned()
    }

    #[test]
    fn the_policy_names_hosts_that_it_can_name_and_takes_in_nothing_else() {
        assert_eq!(connects_to("board:8000"), "connect-src 'self' ws://board:8000 wss://board:8000");
        assert_eq!(connects_to("192.0.2.7"), "connect-src 'self' ws://192.0.2.7 wss://192.0.2.7");
        for host in ["[2001:db8::1]:8000", "a; script-src *", "a *", "*", "", ":80", "a:", "a:b", "a/b", "a,b"] {
            assert_eq!(connects_to(host), "connect-src 'self'", "{host:?}");
        }
    }

    #[test]
    fn a_tag_is_known_in_any_list() {
        let known = |lists: &[&str]| {
            let mut headers = HeaderMap::new();
            for list in lists {
                headers.append(IF_NONE_MATCH, list.parse().unwrap());
            }
            is_known(&headers, &HeaderValue::from_static("\"a1\""))
        };
        for lists in [&["\"a1\""][..], &["W/\"a1\""], &["\"x\", \"a1\""], &["\"x\"", "\"a1\""], &["*"]] {
            assert!(known(lists), "{lists:?}");
        }
        for lists in [&[][..], &["\"x\""], &["a1"], &["\"a1"], &[""]] {
            assert!(!known(lists), "{lists:?}");
        }
    }

    #[test]
    fn another_content_is_another_tag() {
        assert_ne!(tag(b"a"), tag(b"b"));
        assert_eq!(tag(b""), "\"cbf29ce484222325\"");
    }
}
