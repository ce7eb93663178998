//! What the query of a request says.

use std::borrow::Cow;

use hyper::Uri;

/// The value of a query key, decoded; the first where it stands more than once.
pub fn query_value<'a>(uri: &'a Uri, key: &str) -> Option<Cow<'a, str>> {
    // A name without `=` says nothing.
    let pairs = uri.query()?.split('&').filter(|pair| pair.contains('='));
    pairs.flat_map(|pair| form_urlencoded::parse(pair.as_bytes())).find(|(name, _)| name == key).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_values_are_decoded() {
        let uri: Uri = "/ws?pipeline_id=a%20b%2&x=1&pipeline_id=c&y=p+q".parse().unwrap();
        assert_eq!(query_value(&uri, "pipeline_id").as_deref(), Some("a b%2"));
        assert_eq!(query_value(&uri, "y").as_deref(), Some("p q"));
        assert_eq!(query_value(&uri, "z"), None);
        let uri: Uri = "/ws?x&a=%+5&b=%2b%zz%&c=%ff%C3%A4&d=&%64=1&x=a=b;c".parse().unwrap();
        let values = ["a", "b", "c", "d", "x"].map(|key| query_value(&uri, key).unwrap());
        assert_eq!(values, ["% 5", "+%zz%", "\u{fffd}ä", "", "a=b;c"]);
        assert_eq!(query_value(&"/".parse().unwrap(), "x"), None);
    }
}
