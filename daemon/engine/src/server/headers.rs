//! Lists in request headers, as RFC 9110 has them (sections 5.3 and 5.6.1): one list over all lines of a name, members between
//! commas, empty ones ignored. Proxies and clients write `Connection: keep-alive, Upgrade` in one line or in two.

use hyper::HeaderMap;
use hyper::header::HeaderName;

/// The members of a list header, over all its lines. A line that is no text has none.
pub fn members(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| parts(line, ',')).map(str::trim).filter(|member| !member.is_empty())
}

/// The parts of a text between separators; within quotes a separator is a character like any other.
pub fn parts(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |character| {
        let separates = !quoted && character == separator;
        quoted ^= character == '"' && !escaped;
        escaped = quoted && character == '\\' && !escaped;
        separates
    })
}

/// Whether each quoted string in a text has its end. Where one has not, whoever writes behind it writes into it.
pub fn are_quotes_closed(text: &str) -> bool {
    // A separator counts only outside of quotes, so one at the end is one where they are closed.
    let closed = format!("{text},");
    parts(&closed, ',').last().is_some_and(str::is_empty)
}

/// Whether a list header has this member; upper and lower case are the same.
pub fn has_member(headers: &HeaderMap, name: HeaderName, member: &str) -> bool {
    members(headers, name).any(|found| found.eq_ignore_ascii_case(member))
}

#[cfg(test)]
mod tests {
    use hyper::header::CONNECTION;

    use super::*;

    #[test]
    fn a_separator_in_quotes_is_none() {
        for (text, expected) in [
            ("a, b", &["a", " b"][..]),
            (r#"a="x,y", b"#, &[r#"a="x,y""#, " b"]),
            (r#""x\",y",b"#, &[r#""x\",y""#, "b"]),
            (r#""x\\",b"#, &[r#""x\\""#, "b"]),
            (r#"a,"b,c"#, &["a", r#""b,c"#]),
        ] {
            assert_eq!(parts(text, ',').collect::<Vec<_>>(), expected, "{text}");
        }
    }

    #[test]
    fn a_quoted_string_without_an_end_is_found() {
        for (text, expected) in [
            ("", true),
            ("a, b", true),
            (r#"a="x,y""#, true),
            (r#"a="x\""#, false),
            (r#"a="x\"""#, true),
            (r#"""#, false),
            (r#"a="x", b=""#, false),
        ] {
            assert_eq!(are_quotes_closed(text), expected, "{text}");
        }
    }

    #[test]
    fn a_list_goes_over_lines_and_commas() {
        for (lines, expected) in [
            (&["Upgrade"][..], true),
            (&["keep-alive", "upgrade"], true),
            (&["keep-alive , UPGRADE,"], true),
            (&["keep-alive,,", "", "x, Upgrade"], true),
            (&["keep-alive"], false),
            (&["Upgraded"], false),
            (&[], false),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(CONNECTION, line.parse().unwrap());
            }
            assert_eq!(has_member(&headers, CONNECTION, "upgrade"), expected, "{lines:?}");
        }
    }
}
